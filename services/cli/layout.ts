/** Which processes a cluster consists of, and which actors each of them runs. */
import type { ClusterSettings } from "./cluster.ts";
import { UsageError } from "./usage-error.ts";

/** As services/controllers/index.ts, without loading what they do. */
export const CONTROLLERS = [
  "namespace",
  "serviceaccount",
  "root-ca",
  "deployment",
  "replicaset",
  "garbage-collector",
  "endpointslice",
  "endpoints",
  "node-lifecycle",
  "taint-eviction",
  "pod-garbage-collector",
  "event-expiry",
  "lease-expiry",
] as const;

/** The actors that any number of control processes share. */
export const CONTROL_ACTORS: readonly string[] = ["scheduler", ...CONTROLLERS];

/** Runs when it is asked for. */
const VERIFY = "verify";

/** Names for many actors at once. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  controllers: CONTROLLERS,
  control: CONTROL_ACTORS,
};

const SCALABLE = new Set(["apiserver", ...CONTROL_ACTORS, VERIFY, ...Object.keys(GROUPS)]);

/** What a process consists of; there is one program for each kind. */
export type ProcessKind = "apiserver" | "control" | "node" | "nodes" | "host" | "verify";

/** A process, and the actors that it runs; none are named where they cannot be chosen. */
export interface PlannedProcess {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly actors: readonly string[];
}

type Wanted = Pick<ClusterSettings, "replicas" | "grouping">;

/** The cluster's own processes, in the order in which they start. */
export function layoutOf(
  settings: Wanted & Pick<ClusterSettings, "nodes" | "runtime">,
): readonly PlannedProcess[] {
  const fixed = (kind: ProcessKind, name: string = kind) => ({ name, kind, actors: [] });
  const { nodes, runtime } = settings;
  const apiservers = numbered(replicasOf(settings, "apiserver"));
  return [
    ...apiservers.map((n) => fixed("apiserver", processName("apiserver", n))),
    ...controlProcesses(settings),
    ...numbered(replicasOf(settings, VERIFY)).map((n) => fixed("verify", processName(VERIFY, n))),
    ...(runtime === "simulated" ? [fixed("nodes")] : []),
    ...(runtime === "simulated" ? [] : nodes.map(({ name }) => fixed("node", `node-${name}`))),
    ...(runtime === "cri" && nodes.length > 1 ? [fixed("host")] : []),
  ];
}

function controlProcesses(settings: Wanted): PlannedProcess[] {
  const { grouping } = settings;
  const kind = "control";
  if (grouping === "split") {
    return CONTROL_ACTORS.flatMap((actor) =>
      numbered(replicasOf(settings, actor)).map((n) => ({
        name: `${actor}-${n}`,
        kind,
        actors: [actor],
      })),
    );
  }
  const most = Math.max(...CONTROL_ACTORS.map((actor) => replicasOf(settings, actor)));
  return numbered(most).map((n) => ({
    name: processName("control", n),
    kind,
    actors: CONTROL_ACTORS.filter((actor) => replicasOf(settings, actor) >= n),
  }));
}

/** How many replicas of an actor are wanted: its own number, else that of its smallest group. */
export function replicasOf(
  { replicas }: Pick<Wanted, "replicas">,
  actor: string,
  otherwise = leastOf(actor),
): number {
  const groups = Object.keys(GROUPS).filter((group) => GROUPS[group]?.includes(actor));
  const named = [actor, ...groups].find((name) => replicas[name] !== undefined);
  return named === undefined ? otherwise : (replicas[named] as number);
}

/**
 * The replicas after some were asked for: what is asked for a group holds for all of its actors.
 * @throws UsageError when there is no such actor, or none of it would be left.
 */
export function withReplicas(
  replicas: Readonly<Record<string, number>>,
  asked: Readonly<Record<string, number>>,
): Record<string, number> {
  const result = { ...replicas };
  // Groups first: `control=1,scheduler=3` says something about the scheduler.
  const groupsFirst = Object.entries(asked).sort(([a], [b]) => sizeOf(b) - sizeOf(a));
  for (const [name, count] of groupsFirst) {
    mustBeScalable(name);
    if (count < leastOf(name)) throw new UsageError(`a cluster is nothing without ${name}`);
    for (const other of Object.keys(result)) {
      if (isWithin(other, name)) delete result[other];
    }
    result[name] = count;
  }
  return result;
}

/** How many replicas there are at least, and unless more are asked for. */
function leastOf(name: string): number {
  return name === VERIFY ? 0 : 1;
}

/** The control actors that a name stands for. @throws UsageError when it stands for none. */
export function actorsOf(name: string): readonly string[] {
  const actors = GROUPS[name] ?? (CONTROL_ACTORS.includes(name) ? [name] : undefined);
  if (actors !== undefined) return actors;
  const known = [...CONTROL_ACTORS, ...Object.keys(GROUPS)];
  throw new UsageError(`no control actor is called ${name}; there are ${known.join(", ")}`);
}

/** @throws UsageError when no single actor is called so, or its replicas share no work. */
export function mustBeActor(name: string): void {
  if (name === VERIFY) throw new UsageError("each replica of verify looks at everything");
  if (GROUPS[name] === undefined) mustBeScalable(name);
  else throw new UsageError(`${name} is many actors; bounds are for each of them: ${GROUPS[name]}`);
}

/** @throws UsageError when no actor and no group of them is called so. */
function mustBeScalable(name: string): void {
  if (SCALABLE.has(name)) return;
  throw new UsageError(`no actor is called ${name}; there are ${[...SCALABLE].join(", ")}`);
}

/** Whether a name stands for nothing but actors of the group. */
function isWithin(name: string, group: string): boolean {
  const members = GROUPS[group] ?? [];
  return (GROUPS[name] ?? [name]).every((each) => members.includes(each));
}

function sizeOf(name: string): number {
  return GROUPS[name]?.length ?? 1;
}

/** `apiserver`, `apiserver-2`, ... */
function processName(kind: string, number: number): string {
  return number === 1 ? kind : `${kind}-${number}`;
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
