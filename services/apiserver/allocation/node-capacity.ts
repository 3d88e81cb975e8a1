import { conflict, notFound } from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { parseQuantity } from "../../../shared/api/quantity.ts";
import type { Entry } from "../../../shared/store/view.ts";
import type { Draft } from "../draft.ts";

/** Resource names and amounts in billionths; `pods` counts pods. */
export type Amounts = ReadonlyMap<string, bigint>;

interface Container {
  restartPolicy?: string;
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
}

const PODS = "pods";
const ONE = 1_000_000_000n;
const BINDING = { group: "", plural: "pods/binding" };

/**
 * What a pod reserves on its node: its containers and sidecars, or the largest init container when
 * that is more, and its overhead.
 */
export function requestsOf(pod: KubernetesObject): Amounts {
  const { spec } = pod;
  const running = new Map<string, bigint>();
  const peak = new Map<string, bigint>();
  for (const container of (spec.initContainers ?? []) as Container[]) {
    if (container.restartPolicy === "Always") {
      add(running, requested(container));
      raise(peak, running);
    } else {
      const during = new Map(running);
      add(during, requested(container));
      raise(peak, during);
    }
  }
  for (const container of (spec.containers ?? []) as Container[]) {
    add(running, requested(container));
  }
  raise(running, peak);
  for (const [name, amount] of requested({ resources: spec.resources })) running.set(name, amount);
  add(running, amountsOf(spec.overhead));
  running.set(PODS, ONE);
  return running;
}

function requested({ resources }: Container): Amounts {
  return amountsOf(resources?.requests);
}

function amountsOf(list: Record<string, string> | undefined): Amounts {
  const amounts = new Map<string, bigint>();
  for (const [name, text] of Object.entries(list ?? {})) {
    amounts.set(name, parseQuantity(text).nanos);
  }
  return amounts;
}

function add(total: Map<string, bigint>, amounts: Amounts): void {
  for (const [name, amount] of amounts) total.set(name, (total.get(name) ?? 0n) + amount);
}

function raise(total: Map<string, bigint>, amounts: Amounts): void {
  for (const [name, amount] of amounts) {
    if (amount > (total.get(name) ?? 0n)) total.set(name, amount);
  }
}

/** Requests by version of a pod: they are asked for again with every binding to its node. */
const known = new WeakMap<Entry, Amounts>();

function requestsOfEntry(entry: Entry): Amounts {
  let amounts = known.get(entry);
  if (amounts === undefined) {
    amounts = requestsOf(entry.object);
    known.set(entry, amounts);
  }
  return amounts;
}

function hasEnded(pod: KubernetesObject): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** What is taken on each node, per decision: the bindings of one plan add up. */
const taken = new WeakMap<Draft, Map<string, Map<string, bigint>>>();

function takenOn(draft: Draft, node: string): Map<string, bigint> {
  let nodes = taken.get(draft);
  if (nodes === undefined) {
    nodes = new Map();
    taken.set(draft, nodes);
  }
  let total = nodes.get(node);
  if (total === undefined) {
    total = new Map();
    for (const entry of draft.context.projections.cluster.onNode(node)) {
      if (!hasEnded(entry.object)) add(total, requestsOfEntry(entry));
    }
    nodes.set(node, total);
  }
  return total;
}

/**
 * Refuses a pod that the node has no room for, and counts it otherwise. Together with the node's
 * fence this keeps any number of schedulers from filling a node twice: whoever decided on a state
 * in which another binding was missing is refused by the log (DESIGN D18).
 */
export function takeRoom(draft: Draft, pod: KubernetesObject, nodeName: string): void {
  const node = draft.read(keyOf("nodes", "", nodeName));
  if (node === undefined) throw notFound({ group: "", plural: "nodes" }, nodeName);
  const room = amountsOf(node.status?.allocatable ?? node.status?.capacity);
  const total = takenOn(draft, nodeName);
  const wanted = requestsOf(pod);
  const short = [...wanted]
    .filter(([name, amount]) => amount > 0n && (total.get(name) ?? 0n) + amount > limit(room, name))
    .map(([name]) => (name === PODS ? "Too many pods" : `Insufficient ${name}`));
  if (short.length > 0) {
    const why = `node "${nodeName}" cannot hold the pod: ${short.join(", ")}`;
    throw conflict(BINDING, pod.metadata.name, why);
  }
  add(total, wanted);
}

/** A node that does not say how many pods it takes has no limit on them. */
function limit(room: Amounts, name: string): bigint {
  const unlimited = name === PODS && !room.has(PODS);
  return unlimited ? BigInt(Number.MAX_SAFE_INTEGER) * ONE : (room.get(name) ?? 0n);
}
