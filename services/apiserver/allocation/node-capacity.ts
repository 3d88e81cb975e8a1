import { conflict, notFound } from "../../../shared/api/errors.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { type Amounts, amountsOf, podRequests } from "../../../shared/api/pod-requests.ts";
import type { Draft } from "../draft.ts";
import { Load, NodeLoads } from "./node-loads.ts";

const PODS = "pods";
const BINDING = { group: "", plural: "pods/binding" };

/** What is taken on each node, per decision: the bindings of one plan add up. */
const taken = new WeakMap<Draft, Map<string, Load>>();

function takenOn(draft: Draft, node: string): Load {
  let nodes = taken.get(draft);
  if (nodes === undefined) {
    nodes = new Map();
    taken.set(draft, nodes);
  }
  let load = nodes.get(node);
  if (load === undefined) {
    load = new Load(node, NodeLoads.of(draft.context.projections.cluster).on(node));
    nodes.set(node, load);
  }
  return load;
}

/** What a version of a node has to give; asked for with every binding to it. */
const rooms = new WeakMap<KubernetesObject, Amounts>();

function roomOf(node: KubernetesObject): Amounts {
  let room = rooms.get(node);
  if (room === undefined) {
    room = amountsOf(node.status?.allocatable ?? node.status?.capacity);
    rooms.set(node, room);
  }
  return room;
}

/**
 * Refuses a pod that the node has no room for, and counts it otherwise. Together with the fence of
 * bindings this keeps any number of schedulers from filling a node twice: whoever decided on a
 * state in which another binding was missing is refused by the log (DESIGN D18).
 */
export function takeRoom(draft: Draft, pod: KubernetesObject, nodeName: string): void {
  const node = draft.read(keyOf("nodes", "", nodeName));
  if (node === undefined) throw notFound({ group: "", plural: "nodes" }, nodeName);
  const room = roomOf(node);
  const total = takenOn(draft, nodeName);
  const wanted = podRequests(pod as Pod);
  const short: string[] = [];
  // A node that does not say how many pods it takes has no limit on them.
  if (total.pods + 1 > (room.get(PODS) ?? Number.POSITIVE_INFINITY)) short.push("Too many pods");
  for (const [name, amount] of wanted) {
    if (amount === 0) continue;
    const free = (room.get(name) ?? 0) - (total.amounts.get(name) ?? 0);
    if (amount > free) short.push(`Insufficient ${name}`);
  }
  if (short.length > 0) {
    const why = `node "${nodeName}" cannot hold the pod: ${short.join(", ")}`;
    throw conflict(BINDING, pod.metadata.name, why);
  }
  total.count(wanted, 1);
}
