/** Recreate: all old pods end before the first new one starts. */

import type { Snapshot } from "../../../../shared/actor/controller.ts";
import type { Deployment } from "../../../../shared/api/generated/types.ts";
import { podsOf } from "../pod-facts.ts";
import { createNewReplicaSet, type Revisions } from "./revision.ts";
import { emptyStep, joined, resize, type Step } from "./step.ts";

export function recreate(deployment: Deployment, revisions: Revisions, at: Snapshot): Step {
  const { current, old } = revisions;
  const running = old.filter((rs) => (rs.spec?.replicas ?? 0) > 0);
  if (running.length > 0) return joined(running.map((rs) => resize(deployment, rs, 0)));
  const lingering = old.some((rs) => podsOf(rs, at).some(({ terminal }) => !terminal));
  if (lingering) return emptyStep();
  if (current === undefined) return createNewReplicaSet(deployment, revisions, at);
  const wanted = deployment.spec?.replicas ?? 1;
  return current.spec?.replicas === wanted ? emptyStep() : resize(deployment, current, wanted);
}
