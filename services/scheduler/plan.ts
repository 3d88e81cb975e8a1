import type { Action, EventRecord, Plan } from "../../shared/actor/plan.ts";
import type { PodCondition } from "../../shared/api/generated/types.ts";
import { formatTime } from "../../shared/api/time.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Placement } from "./schedule.ts";

/** What is committed for a placement: the binding, or the condition that says why there is none. */
export function planOf({ pod, node, message }: Placement & { key: Key }, now: number): Plan {
  const { namespace = "", name, uid = "", resourceVersion = "" } = pod.pod.metadata;
  const key = `pods/${namespace}/${name}`;
  const regarding = { resource: "pods", namespace, name, uid };
  if (node !== undefined) {
    const text = `Successfully assigned ${namespace}/${name} to ${node}`;
    const event: EventRecord = { regarding, type: "Normal", reason: "Scheduled", message: text };
    const bind: Action = { op: "bind", key, node, uid, expect: resourceVersion };
    return { actions: [bind], events: [event], reason: `best of the nodes that fit: ${node}` };
  }
  const condition: PodCondition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message: message as string,
  };
  const present = pod.pod.status?.conditions ?? [];
  const old = present.find(({ type }) => type === "PodScheduled");
  if (old?.status === "False" && old.message === message) return { actions: [] };
  const since = old?.status === "False" ? old.lastTransitionTime : formatTime(now);
  const conditions = [
    ...present.filter(({ type }) => type !== "PodScheduled"),
    { ...condition, ...(since !== undefined && { lastTransitionTime: since }) },
  ];
  return {
    actions: [
      {
        op: "patch",
        key,
        subresource: "status",
        expect: resourceVersion,
        patch: { metadata: { uid }, status: { conditions } },
      },
    ],
    events: [
      { regarding, type: "Warning", reason: "FailedScheduling", message: message as string },
    ],
    reason: message as string,
  };
}
