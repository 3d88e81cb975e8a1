import type { ActionResult, StatusBody } from "../../shared/actor/api.ts";
import type { Action } from "../../shared/actor/plan.ts";
import { decodeObject } from "../../shared/api/decode.ts";
import { applyDefaults } from "../../shared/api/defaults.ts";
import { badRequest, StatusError, statusOf } from "../../shared/api/errors.ts";
import { type KeyParts, parseKey } from "../../shared/api/key.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { type Key, type Revision, WRITES_PER_COMMIT_MAX } from "../../shared/store/store.ts";
import { FENCE_KEY } from "./allocation/record.ts";
import { authorize } from "./authorize.ts";
import { type EngineContext, type Log, logOfTable } from "./context.ts";
import { AdmissionError, type Asked } from "./decided.ts";
import { checkDeleteOptions } from "./delete-options.ts";
import type { Draft } from "./draft.ts";
import { cloneJson } from "./json.ts";
import type { EnginePlan, EnginePlanResult } from "./request.ts";
import { decideBinding } from "./subresources/binding.ts";
import { decideEviction } from "./subresources/eviction.ts";
import { decideScaleAction } from "./subresources/scale.ts";
import { decideCreate } from "./verbs/create.ts";
import { decideDelete } from "./verbs/delete.ts";
import { decidePatch } from "./verbs/patch.ts";
import { decideUpdate } from "./verbs/update.ts";
import { storeStatus, type Written, write } from "./write.ts";

/** Commits all actions of a plan as one, or none (DESIGN D5). Never throws. */
export async function commitPlan(
  context: EngineContext,
  plan: EnginePlan,
): Promise<EnginePlanResult> {
  try {
    const steps = plan.actions.map((action) => stepOf(context, plan, action));
    const log = steps[0] ? logOfTable(context, steps[0].asked.table) : context.logs.cluster;
    const done = (): EnginePlanResult | undefined => context.traces.committed(plan, log);
    const earlier = done();
    if (earlier) return earlier;
    const { actor, replica, trace, cause } = plan;
    const written = await write<Outcome>(context, {
      log,
      keys: steps.flatMap(keysOf),
      headers: { actor, replica, trace, cause },
      decide: (draft) => decideAll(draft, steps),
      alreadyDone: () => {
        const result = done();
        return result ? { type: "earlier", result } : undefined;
      },
    });
    return answer(steps, written, log);
  } catch (error) {
    const status = statusOf(storeStatus(error));
    return { outcome: "refused", status, revision: context.logs.cluster.projection.revision };
  }
}

interface Step {
  readonly action: Action;
  readonly asked: Asked;
}

/** Per action: the key it wrote, or why it was dropped. */
type Decision = { readonly key: Key } | { readonly dropped: StatusBody };

type Outcome =
  | { readonly type: "decided"; readonly results: readonly Decision[] }
  | { readonly type: "earlier"; readonly result: EnginePlanResult };

/** Of pods: decided each for itself. */
const APART: ReadonlySet<Action["op"]> = new Set(["create", "delete", "bind"]);

const VERBS: Readonly<Record<Action["op"], string>> = {
  create: "create",
  update: "update",
  patch: "patch",
  delete: "delete",
  bind: "create",
  evict: "create",
};

/** Reads and authorizes one action. @throws StatusError */
function stepOf(context: EngineContext, plan: EnginePlan, action: Action): Step {
  const { resource, namespace, name } = keyParts(action.key);
  const table = kindByResource(resource);
  if (table === undefined || table.log === "none") {
    throw badRequest(`${action.key}: there is no stored resource ${JSON.stringify(resource)}`);
  }
  const subresource = subresourceOf(action);
  const { user, actor } = plan;
  const asked: Asked = { user, table, subresource, namespace, name, manager: actor };
  checkScope(action, table, namespace);
  authorize(context, {
    user,
    verb: VERBS[action.op],
    group: table.group,
    resource: table.plural,
    subresource,
    namespace,
    name: action.op === "create" ? "" : name,
  });
  return { action, asked };
}

function keyParts(key: Key): KeyParts {
  try {
    return parseKey(key);
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

function checkScope(action: Action, table: KindTable, namespace: string): void {
  if (table.namespaced === (namespace !== "")) return;
  throw badRequest(`${action.key}: the resource is ${table.namespaced ? "" : "not "}namespaced`);
}

function subresourceOf(action: Action): string {
  if (action.op === "bind") return "binding";
  if (action.op === "evict") return "eviction";
  return action.op === "update" || action.op === "patch" ? (action.subresource ?? "") : "";
}

/** Keys that are surely written: plans on the same keys take turns in this replica. */
function keysOf({ action }: Step): Key[] {
  return action.op === "bind" ? [action.key, FENCE_KEY] : [action.key];
}

/**
 * Each action on top of those before it. Those on many pods go on in a later turn when one has
 * taken long: each is guarded by its own pod's revision (bindings by their fence as well), and none
 * looks at what others did.
 */
async function decideAll(draft: Draft, steps: readonly Step[]): Promise<Outcome> {
  const results: Decision[] = [];
  for (const step of steps) {
    results.push(decideOrDrop(draft, step));
    if (!isApart(step)) continue;
    draft.encode();
    const rest = draft.context.turns.rest();
    if (rest) await rest;
  }
  if (draft.size > WRITES_PER_COMMIT_MAX) {
    throw badRequest(`a plan may write at most ${WRITES_PER_COMMIT_MAX} keys, not ${draft.size}`);
  }
  return { type: "decided", results };
}

function isApart({ action, asked }: Step): boolean {
  if (asked.table.plural !== "pods") return false;
  return action.op === "patch" ? asked.subresource === "status" : APART.has(action.op);
}

function decideOrDrop(draft: Draft, step: Step): Decision {
  draft.mark();
  try {
    return { key: decideAction(draft, step) };
  } catch (error) {
    const refused = error instanceof StatusError && isSettled(draft, step.action);
    if (!refused && !(error instanceof AdmissionError)) throw error;
    draft.rollback();
    return { dropped: error.body };
  }
}

/**
 * Bindings are decided each for itself: one that cannot be does not hold up the others. Only what
 * was decided on a newer state than the one here has to wait for that.
 */
function isSettled(draft: Draft, action: Action): boolean {
  if (action.op !== "bind") return false;
  return Number(action.expect) <= draft.context.projections.cluster.revision;
}

function decideAction(draft: Draft, { action, asked }: Step): Key {
  switch (action.op) {
    case "create":
      return decideCreate(draft, asked, objectOf(action.object, asked)).key;
    case "update": {
      const { expect, claim = false, subresource, object } = action;
      if (subresource === "scale") return decideScaleAction(draft, asked, object, expect).key;
      const next = objectOf(object, asked);
      return decideUpdate(draft, asked, { next: () => next, expect, claim }).key;
    }
    case "patch": {
      const options = { force: false, fieldValidation: "Strict" } as const;
      const parsed = { type: "merge", patch: action.patch } as const;
      return decidePatch(draft, asked, parsed, options, [], action.expect).key;
    }
    case "delete": {
      const { uid, expect: resourceVersion, gracePeriodSeconds, propagationPolicy } = action;
      const preconditions = { uid, resourceVersion };
      const options = { preconditions, gracePeriodSeconds, propagationPolicy };
      return decideDelete(draft, asked, checkDeleteOptions(options)).key;
    }
    case "bind":
      return decideBinding(draft, asked, { ...action, checkRoom: true }).key;
    case "evict":
      return decideEviction(
        draft,
        asked,
        checkDeleteOptions({ preconditions: { uid: action.uid } }),
      ).key;
  }
}

/** The object of an action, read like a body; unknown fields are the actor's mistake. */
function objectOf(given: unknown, asked: Asked) {
  const { object } = decodeObject(cloneJson(given), asked.table, "Strict");
  applyDefaults(asked.table, object);
  return object;
}

function answer(steps: readonly Step[], written: Written<Outcome>, log: Log): EnginePlanResult {
  const { result, last } = written;
  if (result.type === "earlier") return result.result;
  const revisionOf = (key: Key): Revision =>
    written.revisionOf(key) ?? log.projection.get(key)?.revision ?? log.projection.revision;
  const results = steps.map((_, index): ActionResult => {
    const decision = result.results[index] as Decision;
    return "dropped" in decision
      ? { dropped: decision.dropped }
      : { revision: revisionOf(decision.key) };
  });
  const revision = last || log.projection.revision;
  return { outcome: "committed", revision, results };
}
