import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { ActorState } from "../../../shared/actor/orders.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ProcessFaults } from "../../chaos/process/faults.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";
import type { BusConnection } from "./bus.ts";

/** What a process is started with. */
export interface ProcessContext {
  readonly name: string;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  readonly logger: Logger;
  readonly runtime: Runtime;
  /** What may be broken on purpose: logs are opened through it. */
  readonly faults: ProcessFaults;
  /** Begun already, as the bus user of the process. Work that needs no bus goes on meanwhile. */
  readonly connecting: Promise<BusConnection>;
  /** Those that it runs at first, where they can be chosen. */
  readonly actors: readonly string[];
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
