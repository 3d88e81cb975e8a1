import { startApiserver } from "../../services/apiserver/start.ts";
import { ControlActors } from "../../services/cli/process/control-actors.ts";
import { type CompactionConfig, startCompaction } from "../../services/compaction/start.ts";
import { startSimulatedNodes } from "../../services/kubelet/runtimes/simulated.ts";
import { builtInStages } from "../../services/kubelet/stages/load.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import type { ActorDependencies } from "../../shared/actor/dependencies.ts";
import { joinMembership } from "../../shared/actor/membership.ts";
import type { DecisionSink } from "../../shared/actor/run.ts";
import type { SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store } from "../../shared/store/store.ts";
import type { Logs, Member } from "./cluster.ts";
import { SERVICE_NETWORK } from "./prepared.ts";

/** How far back the log can be read, and how often it is cut; virtual milliseconds. */
export type Compaction = Required<Pick<CompactionConfig, "horizonMs" | "everyMs">>;

export interface ControlPlane {
  /** Of every actor. */
  readonly replicas: number;
  readonly nodes: number;
  readonly logs: Logs;
  readonly controllers: readonly Controller[];
  readonly decisions: DecisionSink;
  /** Default: as `prepare` has set it up. */
  readonly serviceCidr?: string;
  /** Absent: the log forgets nothing. */
  readonly compaction?: Compaction;
  /** A test that plants a mistake puts itself between the actors and what they use. */
  readonly wrapDependencies?: (dependencies: ActorDependencies) => ActorDependencies;
  readonly wrapStore?: (store: Store) => Store;
  /** Told of each control process that has started, to change what it runs. */
  readonly onControl?: (actors: ControlActors, process: SimulatedProcess) => void;
}

const HEARTBEAT_MS = 5_000;
/** Room for the workload's pods and a few more: nodes do fill up. */
const CAPACITY = { cpu: "8", memory: "8Gi", pods: "11" };
const STAGES = builtInStages();

/** The processes of a whole cluster, each wired as a real one is. */
export function membersOf(plane: ControlPlane): Member[] {
  const many = (name: string, count: number, start: Member["start"]): Member[] =>
    Array.from({ length: count }, (_, index) => ({ name: `${name}-${index + 1}`, start }));
  return [
    ...many("apiserver", plane.replicas, (dependencies, process) =>
      startApiserverProcess(plane, dependencies, process),
    ),
    ...many("control", plane.replicas, (dependencies, process) =>
      startControlProcess(plane, wrapped(plane, dependencies), process),
    ),
    ...many("node", plane.nodes, (dependencies) => startNodeProcess(dependencies)),
  ];
}

function wrapped(plane: ControlPlane, dependencies: ActorDependencies): ActorDependencies {
  return plane.wrapDependencies?.(dependencies) ?? dependencies;
}

async function startApiserverProcess(
  { logs, compaction, serviceCidr, wrapStore = (store) => store }: ControlPlane,
  dependencies: ActorDependencies,
  process: SimulatedProcess,
): Promise<void> {
  const open = (name: keyof Logs): Store => wrapStore(logs[name].open(process));
  const stores = { cluster: open("cluster"), events: open("events"), leases: open("leases") };
  if (compaction !== undefined) {
    const membership = joinMembership(dependencies, "compaction");
    startCompaction(dependencies, {
      stores: { cluster: stores.cluster },
      membership,
      ...compaction,
    });
  }
  const network = { ...SERVICE_NETWORK, ...(serviceCidr !== undefined && { serviceCidr }) };
  await startApiserver(dependencies, { stores, network });
}

async function startControlProcess(
  { logs, controllers, decisions, onControl }: ControlPlane,
  dependencies: ActorDependencies,
  process: SimulatedProcess,
): Promise<void> {
  const follow = async (name: keyof Logs): Promise<Projection> => {
    const projection = new Projection({ runtime: process, lean: true });
    await projection.follow(logs[name].open(process));
    return projection;
  };
  const [cluster, events, leases] = await Promise.all([
    follow("cluster"),
    follow("events"),
    follow("leases"),
  ]);
  const projections = { cluster, events, leases };
  const actors = new ControlActors({ dependencies, projections, controllers, decisions });
  await actors.run(["scheduler", ...controllers.map(({ name }) => name)]);
  onControl?.(actors, process);
}

/** `node-2` runs the node `node-2-0`; each has addresses of its own. */
async function startNodeProcess(dependencies: ActorDependencies): Promise<void> {
  const [kind, number] = dependencies.replica.split("-");
  const prefix = `${kind}-${number}`;
  await startSimulatedNodes(dependencies, {
    count: 1,
    prefix,
    identity: `system:node:${prefix}-0`,
    capacity: CAPACITY,
    podNetwork: `10.244.${number}.0/24`,
    nodeNetwork: `172.30.${number}.0/24`,
    heartbeatMs: HEARTBEAT_MS,
    stages: STAGES,
  });
}
