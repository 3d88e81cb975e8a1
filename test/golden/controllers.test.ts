import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { controllers } from "../../services/controllers/index.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import { snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

/**
 * One rule of one controller: the objects that exist, and the plan for a key. Of each action only
 * what the case names is compared, so that a case says one thing.
 */
interface Case {
  readonly name: string;
  readonly key: string;
  /** RFC 3339. */
  readonly now: string;
  readonly objects: readonly KubernetesObject[];
  readonly plan: {
    readonly actions: readonly Readonly<Record<string, unknown>>[];
    readonly requeueAfterMs?: number;
    readonly events?: readonly string[];
  };
}

interface CaseFile {
  readonly cases: readonly Case[];
  /** Each ReplicaSet has the pods, ready and not, that its status says. */
  readonly podsFromStatus?: boolean;
}

function withPods(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  const replicaSets = objects.filter(({ kind }) => kind === "ReplicaSet");
  return [...objects, ...replicaSets.flatMap(podsOf)];
}

function podsOf({ metadata, status }: KubernetesObject): KubernetesObject[] {
  const { name, namespace = "", uid = "" } = metadata;
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name, uid, controller: true };
  return Array.from({ length: status?.replicas ?? 0 }, (_, index) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${name}-${index}`, namespace, ownerReferences: [owner] },
    status: {
      phase: "Running",
      conditions: index < (status?.availableReplicas ?? 0) ? [READY] : [],
    },
  }));
}

const READY = { type: "Ready", status: "True" };

const folder = fileURLToPath(new URL("controllers/", import.meta.url));
const all = controllers({ rootCertificate: "CERTIFICATE" });

for (const file of readdirSync(folder)) {
  const name = file.replace(/\.yaml$/, "");
  const controller = all.find((candidate) => candidate.name === name);
  describe(name, () => {
    const text = readFileSync(`${folder}${file}`, "utf8");
    const { cases, podsFromStatus } = parse(text, { merge: true }) as CaseFile;
    it.each(cases.map((each) => [each.name, each] as const))("%s", (_, each) => {
      const snapshot = snapshotOfObjects(
        podsFromStatus ? withPods(each.objects) : each.objects,
        Date.parse(each.now),
      );
      const plan = controller?.reconcile(each.key, snapshot) as Plan;
      expect(plan.actions.map(named)).toMatchObject(each.plan.actions as object[]);
      expect(plan.actions).toHaveLength(each.plan.actions.length);
      expect(plan.requeueAfterMs).toBe(each.plan.requeueAfterMs);
      if (each.plan.events) {
        expect(plan.events?.map(({ reason, message }) => `${reason}: ${message}`)).toEqual(
          each.plan.events,
        );
      }
      // A decision made twice is the same decision.
      expect(controller?.reconcile(each.key, snapshot)).toEqual(plan);
    });
  });
}

/** Names that end in five characters that follow from a hash are shown as such. */
function named(action: Action): Action {
  return {
    ...action,
    key:
      action.op === "create"
        ? action.key.replace(/-[bcdfghjklmnpqrstvwxz2456789]{5}$/, "-<hash>")
        : action.key,
  };
}
