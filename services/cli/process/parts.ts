import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { ActorState } from "../../../shared/actor/orders.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ProcessFaults } from "../../chaos/process/faults.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";
import type { BusConnection } from "./bus.ts";

/** What a process is started with. */
export interface ProcessContext extends BusConnection {
  readonly name: string;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  readonly logger: Logger;
  readonly runtime: Runtime;
  /** What may be broken on purpose: logs are opened through it. */
  readonly faults: ProcessFaults;
  /** The descriptor of a port that others listen on as well. */
  readonly socket?: number;
}

/** The actors of a process. */
export interface RunningPart extends Running {
  /** Runs exactly these from now on. Absent: what the process runs is fixed. */
  run?(actors: readonly string[]): Promise<void>;
  /** Its actors and their figures. */
  state?(withKeys: boolean): readonly ActorState[];
}

export type Part = (context: ProcessContext) => Promise<RunningPart>;

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
