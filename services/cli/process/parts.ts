import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";

/** What a process is started with. */
export interface ProcessContext {
  readonly name: string;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  readonly logger: Logger;
  readonly runtime: Runtime;
  /** The descriptor of a port that others listen on as well. */
  readonly socket?: number;
}

export type Part = (context: ProcessContext) => Promise<Running>;

/** Loads only what the process needs: start-up time and memory are those of its own actors. */
export function partOf(name: string): Part {
  if (/^apiserver(-\d+)?$/.test(name)) {
    return async (context) => (await import("./apiserver.ts")).runApiserver(context);
  }
  if (/^control(-\d+)?$/.test(name)) {
    return async (context) => (await import("./control.ts")).runControl(context);
  }
  if (name === "nodes") {
    return async (context) => (await import("./simulated.ts")).runSimulatedNodes(context);
  }
  if (name === "host") return async (context) => (await import("./host.ts")).runHost(context);
  if (name.startsWith("node-")) {
    return async (context) => (await import("./node.ts")).runNode(context);
  }
  throw new Error(`no process is called ${name}`);
}
