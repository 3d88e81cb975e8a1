/** `cox why`: from an object's state, or its absence, back to what began it. */
import type { Deployment, Node, Pod, ReplicaSet } from "../../../../shared/api/generated/types.ts";
import { parseKey } from "../../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../../shared/api/object.ts";
import { chainOf } from "../../../../shared/log/causality.ts";
import { objectOf } from "../../../../shared/log/changes.ts";
import { type History, horizonOf } from "../../../../shared/log/history.ts";
import type { Key, Revision, Version } from "../../../../shared/store/store.ts";
import { UsageError } from "../../usage-error.ts";
import { keyText } from "../text.ts";
import { explainPending, isPending, type Pending } from "./pending.ts";
import { nodeTroubles, podTroubles } from "./pod-state.ts";
import { explainRollout, type Rollout } from "./rollout.ts";
import { type Story, storyOf, versionBefore } from "./story.ts";
import { explainTerminating, type Terminating } from "./terminating.ts";
import { type Verdict, verdictOnDeletion, verdictOnExistence } from "./verdict.ts";

export interface Answer {
  readonly key: Key;
  readonly state: "exists" | "terminating" | "deleted";
  /** The revision and time of its last version. */
  readonly revision: Revision;
  readonly time: number;
  readonly verdict: Verdict;
  readonly story: Story;
  /** What does not happen, and why. */
  readonly pending?: Pending;
  readonly rollout?: Rollout;
  readonly terminating?: Terminating;
  /** Why a node, or a pod that has one, does not serve. */
  readonly troubles?: readonly string[];
}

export interface Question {
  readonly key: Key;
  /** As of this revision. */
  readonly at: Revision;
  /** Ask about its last deletion, even if an object of that name exists again. */
  readonly deleted: boolean;
}

/** @throws UsageError when the history knows nothing of the object */
export async function answerWhy(history: History, question: Question): Promise<Answer> {
  const { key, at } = question;
  const versions = (await history.versionsOf(key)).filter(({ revision }) => revision <= at);
  const last = question.deleted
    ? versions.findLast(({ value }) => value === null)
    : versions.at(-1);
  if (last === undefined) throw await unknownObject(history, question, versions.length > 0);
  const story = await storyOf(history, await chainOf(history, last));
  const { revision, time } = last;
  const object = objectOf(last);
  const common = { key, revision, time, story };
  if (object === undefined) {
    const circumstances = await circumstancesOf(history, key, story);
    const verdict = verdictOnDeletion(key, story, circumstances);
    return { ...common, state: "deleted", verdict };
  }
  if (object.metadata.deletionTimestamp !== undefined) {
    const mark = markOf(versions);
    const marked = await storyOf(history, await chainOf(history, mark ?? last));
    const circumstances = await circumstancesOf(history, key, marked);
    const verdict = verdictOnDeletion(key, marked, circumstances);
    const terminating = explainTerminating(key, object, await stateOf(history, key, at));
    return {
      ...common,
      story: marked,
      state: "terminating",
      verdict,
      ...(terminating ? { terminating } : {}),
    };
  }
  const verdict = verdictOnExistence(story);
  const more = await whatDoesNotHappen(history, key, object, at);
  return { ...common, state: "exists", verdict, ...more };
}

/** The version that marked the present object for deletion; undefined when it is older than all. */
function markOf(versions: readonly Version[]): Version | undefined {
  let mark: Version | undefined;
  for (const version of versions.toReversed()) {
    if (objectOf(version)?.metadata.deletionTimestamp === undefined) return mark;
    mark = version;
  }
  return mark;
}

async function whatDoesNotHappen(
  history: History,
  key: Key,
  object: KubernetesObject,
  at: Revision,
): Promise<Partial<Answer>> {
  const { resource, namespace } = parseKey(key);
  if (resource === "pods") {
    const pod = object as Pod;
    if (!isPending(pod)) {
      const troubles = podTroubles(pod);
      return troubles.length > 0 ? { troubles } : {};
    }
    const [nodes, pods] = await Promise.all([
      listOf<Node>(history, "nodes/", at),
      listOf<Pod>(history, "pods/", at),
    ]);
    return { pending: explainPending(pod, nodes, pods) };
  }
  if (resource === "nodes") {
    const troubles = nodeTroubles(object as Node);
    return troubles.length > 0 ? { troubles } : {};
  }
  if (resource === "deployments.apps") {
    const [replicaSets, pods] = await Promise.all([
      listOf<ReplicaSet>(history, `replicasets.apps/${namespace}/`, at),
      listOf<Pod>(history, `pods/${namespace}/`, at),
    ]);
    const rollout = explainRollout(object as Deployment, replicaSets, pods);
    return rollout === undefined ? {} : { rollout };
  }
  return {};
}

async function listOf<T>(history: History, prefix: string, at: Revision): Promise<T[]> {
  const { versions } = await history.logs.cluster.list(prefix, at);
  return versions.map((version) => objectOf(version) as T);
}

/** Everything, where what is left of a namespace counts. */
async function stateOf(history: History, key: Key, at: Revision) {
  const state = new Map<Key, KubernetesObject>();
  if (!key.startsWith("namespaces/")) return state;
  for (const version of (await history.logs.cluster.list("", at)).versions) {
    state.set(version.key, objectOf(version) as KubernetesObject);
  }
  return state;
}

/** Whether the pod's node took no new pods when the pod was deleted: then somebody drains it. */
async function circumstancesOf(history: History, key: Key, { steps }: Story) {
  if (!key.startsWith("pods/")) return {};
  const mark = steps.find(({ key: of, actor }) => of === key && actor === "user");
  const version = mark && (await history.version(mark.revision));
  if (version === undefined) return {};
  const pod = (objectOf(version) ?? objectOf(await versionBefore(history, version))) as Pod;
  const node = pod?.spec?.nodeName;
  if (!node) return {};
  const versions = await history.versionsOf(`nodes/_/${node}`);
  const then = objectOf(versions.findLast(({ revision }) => revision < version.revision));
  return then?.["spec"]?.unschedulable === true ? { cordonedNode: node } : {};
}

async function unknownObject(
  history: History,
  { key, at, deleted }: Question,
  exists: boolean,
): Promise<Error> {
  const name = keyText(key);
  if (deleted && exists) return new UsageError(`${name} has not been deleted; it exists.`);
  const horizon = await horizonOf(history.logs.cluster);
  const { resource, namespace } = parseKey(key);
  const prefix = `${resource}/${namespace || "_"}/`;
  const { versions } = await history.logs.cluster.list(prefix, at);
  const similar = versions.map((version) => keyText(version.key)).slice(0, 5);
  const there = similar.length > 0 ? ` There are ${similar.join(", ")}.` : "";
  return new UsageError(
    `The history, which begins at revision ${horizon}, knows no ${name}.${there}`,
  );
}
