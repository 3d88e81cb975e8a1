import type { Plan } from "../../shared/actor/plan.ts";
import { sameJson } from "../../shared/api/same.ts";
import { differences, type FieldChange } from "../../shared/log/difference.ts";

/** Whether a plan is the recorded one; what JSON does not tell apart is the same. */
export function samePlan(recorded: Plan, plan: Plan): boolean {
  if (JSON.stringify(recorded) === JSON.stringify(plan)) return true;
  return sameJson(recorded, asRecorded(plan));
}

/** The plan as it would have been recorded. */
export function asRecorded(plan: Plan): Plan {
  return JSON.parse(JSON.stringify(plan)) as Plan;
}

/** How a plan differs from the recorded one, action by action, as fields of the plan. */
export function planDifferences(recorded: Plan, plan: Plan): FieldChange[] {
  const next = asRecorded(plan);
  const found = differences(recorded, next);
  if (found.length > 0) return found;
  const order = ({ actions }: Plan) => actions.map(({ op, key }) => `${op} ${key}`);
  return [{ path: "the order of actions", old: order(recorded), new: order(next) }];
}
