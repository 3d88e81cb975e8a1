/** The commands that ask about the past. Each loads what it needs when it runs. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../usage-error.ts";
import { addAt } from "./at-command.ts";
import type { ExportFlags } from "./export.ts";
import type { ForkFlags } from "./fork.ts";
import type { SourceFlags } from "./open.ts";
import type { ReplayFlags } from "./replay.ts";
import { withSource } from "./source-options.ts";
import type { TraceFlags } from "./trace.ts";
import type { WhyFlags } from "./why/command.ts";

const LOG_KINDS = "objects: a kind, kind/namespace/ or kind/namespace/name";

const outputOption = (...formats: string[]) =>
  new Option("-o, --output <format>").choices(formats).default("text");

/** Ages begin with a minus, and are no options. */
function momentsOf(args: readonly string[], most: number): string[] {
  const unknown = args.find((text) => text.startsWith("-") && !/^-\d/.test(text));
  if (unknown !== undefined) throw new UsageError(`unknown option ${unknown}`);
  if (args.length > most) throw new UsageError(`unexpected argument ${args[most]}`);
  return [...args];
}

export function addHistoryCommands(program: Command): void {
  addLog(program);
  addDiff(program);
  addAt(program);
  addWhy(program);
  addTrace(program);
  addReplay(program);
  addFork(program);
  addExport(program);
  addImport(program);
}

interface SelectFlags extends SourceFlags {
  readonly kind?: string;
  readonly namespace?: string;
  readonly output?: "text" | "json";
}

function addLog(program: Command): void {
  withSource(program.command("log"))
    .description("every change of every object: when, by whom, because of what")
    .argument("[A..B]", "revisions, HEAD, HEAD~20, times or ages (-10m)")
    .option("-k, --kind <selector>", LOG_KINDS)
    .option("-n, --namespace <name>", "namespace of a name without one", "default")
    .option("-f, --follow", "go on with what happens from now on")
    .addOption(outputOption("text", "json"))
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, flags: SelectFlags & { follow?: boolean }, command: Command) => {
      const [range] = momentsOf(command.args, 1);
      if (flags.follow && flags.log) throw new UsageError("A file does not go on: no --follow.");
      const { withHistory } = await import("./open.ts");
      const { showLog } = await import("./log.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await withHistory(flags, (history) => showLog(history, range, flags, STANDARD_OUTPUT));
    });
}

function addDiff(program: Command): void {
  withSource(program.command("diff"))
    .description("what is different between two moments")
    .argument("<A>", "a revision, HEAD, HEAD~20, a time or an age (-10m)")
    .argument("[B]", "the same (default: HEAD)")
    .option("-k, --kind <selector>", LOG_KINDS)
    .option("-n, --namespace <name>", "namespace of a name without one", "default")
    .addOption(outputOption("text", "json"))
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_a, _b, flags: SelectFlags, command: Command) => {
      const [from, to = "HEAD"] = momentsOf(command.args, 2);
      if (from === undefined) throw new InvalidArgumentError("It takes one or two moments.");
      const { withHistory } = await import("./open.ts");
      const { showDiff } = await import("./diff.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await withHistory(flags, (history) => showDiff(history, from, to, flags, STANDARD_OUTPUT));
    });
}

function addWhy(program: Command): void {
  withSource(program.command("why"))
    .description("why an object is as it is, is gone, or does not get on")
    .argument("<object>", "kind/name, e.g. pod/web-1")
    .option("-n, --namespace <name>", "its namespace", "default")
    .option("--deleted", "about its last deletion, even if it exists again")
    .option("--at <moment>", "as of a revision, a time or an age (default: HEAD)")
    .addOption(outputOption("text", "json", "dot"))
    .action(async (object: string, flags: SourceFlags & WhyFlags) => {
      const { withHistory } = await import("./open.ts");
      const { showWhy } = await import("./why/command.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await withHistory(flags, (history) => showWhy(history, object, flags, STANDARD_OUTPUT));
    });
}

function addTrace(program: Command): void {
  withSource(program.command("trace"))
    .description("one request through the actors, with times")
    .argument("<id>", "the trace that `cox log` shows")
    .option("--for <seconds>", "how long after the request its effects are followed", seconds, 60)
    .option("--otlp <url>", "send it to an OpenTelemetry collector (OTLP over HTTP, JSON)")
    .addOption(outputOption("text", "json"))
    .action(async (id: string, flags: SourceFlags & TraceFlags) => {
      const { withHistory } = await import("./open.ts");
      const { showTrace } = await import("./trace.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await withHistory(flags, (history) => showTrace(history, id, flags, STANDARD_OUTPUT));
    });
}

function addReplay(program: Command): void {
  withSource(program.command("replay"))
    .description("every recorded decision made again by the present code, or by another")
    .argument("[A..B]", "revisions, HEAD, HEAD~20, times or ages (default: all of history)")
    .option("--actor <name>", "only the decisions of this actor")
    .option("--with <path>", "a checkout, or a module that exports actors, that decides instead")
    .addOption(outputOption("text", "json"))
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, flags: SourceFlags & ReplayFlags, command: Command) => {
      const [range] = momentsOf(command.args, 1);
      const { withHistory } = await import("./open.ts");
      const { showReplay } = await import("./replay.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      process.exitCode = await withHistory(flags, (history) =>
        showReplay(history, range, flags, STANDARD_OUTPUT),
      );
    });
}

function addFork(program: Command): void {
  withSource(program.command("fork"))
    .description("let a past moment go on in simulation, and serve what came of it for kubectl")
    .argument("<moment>", "a revision, HEAD, HEAD~20, a time or an age (-10m)")
    .option("--seed <n>", "the same seed goes the same way", whole, 1)
    .option("--for <duration>", "how long it goes on, e.g. 30s, 10m or 1h", span, 600_000)
    .option("--port <n>", "port of the API server (default: a free one)", whole)
    .option("--kubeconfig <file>", "where its kubeconfig is written")
    .option("--no-serve", "only say what has changed")
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, flags: SourceFlags & ForkFlags, command: Command) => {
      const [moment] = momentsOf(command.args, 1);
      const { withHistory } = await import("./open.ts");
      const { showFork } = await import("./fork.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      process.exitCode = await withHistory(flags, (history) =>
        showFork(history, moment as string, flags, STANDARD_OUTPUT),
      );
    });
}

function addExport(program: Command): void {
  withSource(program.command("export"))
    .description("write a piece of history to the standard output, without Secrets' data")
    .argument("<A..B>", "revisions, HEAD, HEAD~20, times or ages (-10m)")
    .option("--scrub <path>", "replace these values too, e.g. **.env.*.value; repeatable", gathered)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_, flags: SourceFlags & ExportFlags, command: Command) => {
      const [range] = momentsOf(command.args, 1);
      const { withHistory } = await import("./open.ts");
      const { exportHistory } = await import("./export.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await withHistory(flags, (history) =>
        exportHistory(history, range as string, flags, STANDARD_OUTPUT),
      );
    });
}

function addImport(program: Command): void {
  program
    .command("import")
    .description("put a piece of history into an empty data folder, to be asked about there")
    .argument("<file>", "made by `cox export`")
    .option("--data <dir>", "data folder (default: $COX_DATA, else .cox)")
    .action(async (file: string, { data }: { data?: string }) => {
      const { dataFolder } = await import("../data-folder.ts");
      const { importHistory } = await import("./export.ts");
      const { STANDARD_OUTPUT } = await import("./output.ts");
      await importHistory(file, dataFolder(data), STANDARD_OUTPUT);
    });
}

function gathered(path: string, paths: readonly string[] = []): readonly string[] {
  return [...paths, path];
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError("It takes a whole number of 1 or more.");
}

/** Milliseconds. */
function span(text: string): number {
  const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text) ?? [];
  if (unit !== undefined) return Number(count) * (units[unit] as number);
  throw new InvalidArgumentError("It takes a duration: 30s, 10m or 1h.");
}

function seconds(text: string): number {
  const number = Number(text);
  if (text !== "" && number > 0) return number;
  throw new InvalidArgumentError("It takes a number of seconds above 0.");
}
