import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { ActorState } from "../../../shared/actor/orders.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ProcessFaults } from "../../chaos/process/faults.ts";
import type { ClusterSettings, NodeRuntime, Paths } from "../cluster.ts";
import type { PlannedProcess } from "../layout.ts";
import { HOST_USER, SIMULATED_USER } from "../users.ts";
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

/** What a process consists of. */
export type ProcessKind = "apiserver" | "control" | "node" | "nodes" | "host";

/** Of a process of a machine's cluster, which are named by what they are. */
export function kindOf({ name, actors }: PlannedProcess): ProcessKind {
  if (actors.length > 0) return "control";
  if (name === "nodes" || name === "host") return name;
  return /^apiserver(-\d+)?$/.test(name) ? "apiserver" : "node";
}

/** Loads only what the process needs: start-up time and memory are those of its own actors. */
export async function partOf(kind: ProcessKind): Promise<Part> {
  if (kind === "apiserver") return (await import("./apiserver.ts")).runApiserver;
  if (kind === "control") return (await import("./control.ts")).runControl;
  if (kind === "nodes") return (await import("./simulated.ts")).runSimulatedNodes;
  if (kind === "host") return (await import("./host.ts")).runHost;
  return (await import("./node.ts")).runNode;
}

/** Actors of the processes whose actors are always the same. */
export function fixedActors(kind: ProcessKind, runtime: NodeRuntime): readonly string[] {
  if (kind === "node") return runtime === "process" ? ["kubelet"] : ["kubelet", "proxy", "dns"];
  if (kind === "nodes") return ["kubelet"];
  return kind === "host" ? ["proxy"] : [];
}

/** The bus user of a process. */
export function userOf(kind: ProcessKind, name: string): string {
  if (kind === "apiserver") return "apiserver";
  if (kind === "control") return "controllers";
  if (kind === "nodes") return SIMULATED_USER;
  return kind === "host" ? HOST_USER : name;
}
