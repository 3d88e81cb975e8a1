/** The commands that ask about the past. Each loads what it needs when it runs. */
import { parseArgs } from "node:util";
import { type Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../usage-error.ts";
import type { SourceFlags } from "./open.ts";
import type { WhyFlags } from "./why/command.ts";

const LOG_KINDS = "objects: a kind, kind/namespace/ or kind/namespace/name";

/** Adds the options that say whose past is meant. */
function withSource(command: Command): Command {
  return command
    .addOption(new Option("--data <dir>", "data folder (default: $COX_DATA, else .cox)"))
    .option("--nats <url>", "the NATS server of a cluster (nats://user:password@host:port)")
    .option("--log <file>", "a file made by `cox export`, instead of a cluster");
}

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

interface AtCommandFlags extends SourceFlags {
  readonly speed: number;
  readonly port?: number;
  readonly kubeconfig?: string;
}

function addAt(program: Command): void {
  withSource(program.command("at"))
    .description("kubectl as of a moment, or (serve) an API server of that moment")
    .argument("<moment>", "a revision, HEAD, HEAD~20, a time or an age (-10m)")
    .argument("<arguments...>", "what kubectl gets, or: serve [--port N] [--kubeconfig FILE]")
    .option("--speed <n>", "how fast time runs once somebody watches; 0: not at all", speed, 1)
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (_m, _a, flags: AtCommandFlags, command: Command) => {
      const [moment, first, ...rest] = command.args as [string, string, ...string[]];
      const { withHistory } = await import("./open.ts");
      const { kubectlAt, serveAt } = await import("./at.ts");
      const { STANDARD_OUTPUT: output } = await import("./output.ts");
      process.exitCode = await withHistory(flags, (history) =>
        first === "serve"
          ? serveAt(history, moment, { ...flags, ...serveFlags(rest) }, output)
          : kubectlAt(history, moment, [first, ...rest], flags, output),
      );
    });
}

/** The options behind `serve`, which commander leaves to kubectl. */
function serveFlags(args: readonly string[]): Partial<AtCommandFlags> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: "string" },
        kubeconfig: { type: "string" },
        speed: { type: "string" },
      },
    });
    return {
      ...(values.port === undefined ? {} : { port: port(values.port) }),
      ...(values.kubeconfig === undefined ? {} : { kubeconfig: values.kubeconfig }),
      ...(values.speed === undefined ? {} : { speed: speed(values.speed) }),
    };
  } catch (error) {
    throw new UsageError(`cox at <moment> serve: ${(error as Error).message}`);
  }
}

function speed(text: string): number {
  const number = Number(text);
  if (text !== "" && number >= 0 && number <= 1e6) return number;
  throw new InvalidArgumentError("It takes a number from 0 to 1000000.");
}

function port(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 65_535) return number;
  throw new InvalidArgumentError("It takes a port from 1 to 65535.");
}
