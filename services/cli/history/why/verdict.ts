/** The answer in one sentence; pure. */
import type { Key } from "../../../../shared/store/store.ts";
import { keyText } from "../text.ts";
import { askedFor, beginningOf, type Step, type Story } from "./story.ts";

export interface Verdict {
  /** What it was, for programs. */
  readonly kind:
    | "rollout"
    | "scaled-down"
    | "drained"
    | "deleted"
    | "evicted"
    | "node-gone"
    | "owner-gone"
    | "namespace-deleted"
    | "ended-by-actor"
    | "exists";
  readonly text: string;
}

/** Facts beside the chain. */
export interface Circumstances {
  /** The pod's node, when it took no new pods at the moment of the deletion. */
  readonly cordonedNode?: string;
}

/** Why the object was deleted, or is being deleted. */
export function verdictOnDeletion(
  key: Key,
  story: Story,
  { cordonedNode }: Circumstances = {},
): Verdict {
  const steps = story.steps.filter((step) => step.key === key);
  const marked = steps.find(({ verb }) => verb === "marked for deletion");
  const mark = marked ?? (steps[0] as Step);
  const reason = mark.reason === undefined ? "" : ` (${mark.reason})`;
  const because = `: ${beginningOf(story)}`;
  switch (mark.actor) {
    case "user":
      return cordonedNode === undefined
        ? { kind: "deleted", text: `${mark.replica} deleted it` }
        : { kind: "drained", text: `${mark.replica} drained node ${cordonedNode}` };
    case "replicaset":
      return scaledDown(story, mark, because);
    case "taint-eviction":
      return { kind: "evicted", text: `it was evicted${reason}${evictionCause(story, mark)}` };
    case "pod-garbage-collector":
      return { kind: "node-gone", text: `it was collected${reason}${because}` };
    case "garbage-collector":
      return { kind: "owner-gone", text: `it was collected with its owner${reason}${because}` };
    case "namespace":
      return { kind: "namespace-deleted", text: `its namespace is deleted${because}` };
    default:
      return { kind: "ended-by-actor", text: `${mark.actor} deleted it${reason}${because}` };
  }
}

/** Whoever gave the node its taint: a person, or what was found out about the node. */
function evictionCause(story: Story, mark: Step): string {
  const taint = story.steps[story.steps.indexOf(mark) + 1];
  if (taint === undefined || taint.actor === "user") return `: ${beginningOf(story)}`;
  const found = taint.reason ?? taint.change;
  return `: ${taint.actor} found ${keyText(taint.key)} ${found}`;
}

/** By a ReplicaSet: because its Deployment rolls out, or because fewer are wanted. */
function scaledDown(story: Story, mark: Step, because: string): Verdict {
  const root = story.steps.at(-1) as Step;
  const deployment = story.steps.find(({ decided }) => /^deployments\./.test(decided?.about ?? ""));
  const about = deployment?.decided?.about;
  if (about !== undefined && root.key === about && root.change.includes("spec.template")) {
    return { kind: "rollout", text: `the rollout of ${keyText(about)} replaced it${because}` };
  }
  const by = mark.decided?.about ?? "its ReplicaSet";
  return { kind: "scaled-down", text: `${keyText(about ?? by)} was scaled down${because}` };
}

/** Why the object exists and is as it is. */
export function verdictOnExistence(story: Story): Verdict {
  const root = story.steps.at(-1) as Step;
  const direct = story.steps.length === 1 && story.end === "user";
  const text = direct ? `${root.replica} ${askedFor(root)}` : beginningOf(story);
  return { kind: "exists", text };
}
