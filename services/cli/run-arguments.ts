/** `cox run`: one process of a cluster without a supervisor, in a container for example. */
import { parseArgs } from "node:util";
import { actorsOf, type PlannedProcess, type ProcessKind } from "./layout.ts";
import { UsageError } from "./usage-error.ts";

export const RUN_USAGE = `usage: cox run <actor>[,<actor>...] [--data DIR] [--name NAME]
  Runs in the foreground until SIGTERM: apiserver, nodes (all simulated nodes), verify, or any of
  the scheduler and the controllers, alone or together; controllers and control are all of them.
  DIR is what "cox init" has made (default: $COX_DATA, else .cox). Replicas on one machine need
  a NAME each (default: the first actor and the host name).`;

/** Actors whose programs run nothing else. */
const ALONE = ["apiserver", "nodes", "verify"] as const satisfies readonly ProcessKind[];

export interface Run {
  readonly data: string | undefined;
  readonly process: PlannedProcess;
}

/** @throws UsageError when that is not what can be run. */
export function parseRun(args: string[], hostname: string): Run {
  const { positionals, values } = parsed(args);
  const [what, ...more] = positionals;
  if (what === undefined || more.length > 0) throw new UsageError(RUN_USAGE);
  const asked = what.split(",");
  const [first = ""] = asked;
  // All simulated nodes are one process, with permissions of its own.
  const name = values.name ?? (first === "nodes" ? first : `${first}-${hostname}`);
  const alone = ALONE.find((kind) => kind === first);
  if (alone !== undefined) {
    if (asked.length > 1) throw new UsageError(`${first} runs in a process of its own`);
    return { data: values.data, process: { name, kind: alone, actors: [] } };
  }
  const actors = [...new Set(asked.flatMap(actorsOf))];
  return { data: values.data, process: { name, kind: "control", actors } };
}

function parsed(args: string[]) {
  try {
    const options = { data: { type: "string" }, name: { type: "string" } } as const;
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${RUN_USAGE}`);
  }
}

/** What the program of the process is told. */
export function argumentsOf({ name, kind, actors }: PlannedProcess, data: string): string[] {
  return [kind, "--data", data, "--process", name, `--actors=${actors.join(",")}`];
}
