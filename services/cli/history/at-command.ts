/** `cox at`: what stands before the moment and directly behind it is ours, the rest kubectl's. */
import { parseArgs } from "node:util";
import { type Command, InvalidArgumentError } from "commander";
import { UsageError } from "../usage-error.ts";
import type { SourceFlags } from "./open.ts";
import { withSource } from "./source-options.ts";

interface AtCommandFlags extends SourceFlags {
  readonly speed: number;
  readonly port?: number;
  readonly kubeconfig?: string;
}

export function addAt(program: Command): void {
  withSource(program.command("at"))
    .description("kubectl as of a moment, or (serve) an API server of that moment")
    .argument("<moment>", "a revision, HEAD, HEAD~20, a time or an age (-10m)")
    .argument("<arguments...>", "what kubectl gets, or: serve [--port N] [--kubeconfig FILE]")
    .option("--speed <n>", "how fast time runs once somebody watches; 0: not at all", speed, 1)
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (_m, _a, given: AtCommandFlags, command: Command) => {
      const [moment = "", ...words] = command.args;
      const { own, rest: kubectl } = ownOptions(words);
      const flags = { ...given, ...own };
      const [first, ...rest] = kubectl;
      if (first === undefined)
        throw new UsageError("cox at: what is kubectl to do, e.g. get pods?");
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

/** Options of ours directly behind the moment; what follows them is kubectl's. */
function ownOptions(words: readonly string[]): {
  own: Partial<AtCommandFlags>;
  rest: readonly string[];
} {
  const [word = "", ...others] = words;
  const [, name, joined] = /^--(data|nats|log|speed)(?:=(.*))?$/.exec(word) ?? [];
  if (name === undefined) return { own: {}, rest: words };
  const value = joined ?? others.shift();
  if (value === undefined) throw new UsageError(`cox at: ${word} takes a value`);
  const { own, rest } = ownOptions(others);
  return { own: { [name]: name === "speed" ? speed(value) : value, ...own }, rest };
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
