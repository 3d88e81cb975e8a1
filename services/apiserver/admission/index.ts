import { StatusError } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { AdmissionError, type Asked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { defaultTolerations } from "./default-tolerations.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { nodeRestriction } from "./node-restriction.ts";
import type { AdmissionPlugin } from "./plugin.ts";
import { priority } from "./priority.ts";
import { serviceAccount } from "./service-account.ts";

/** In upstream's order. */
const PLUGINS: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  serviceAccount,
  nodeRestriction,
  priority,
  defaultTolerations,
];

export interface Admitted {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly asked: Asked;
  /** Changed in place; for DELETE the present object, which stays as it is. */
  readonly object: KubernetesObject;
  readonly old: KubernetesObject | undefined;
}

/** @throws AdmissionError */
export function admit(draft: Draft, { operation, asked, object, old }: Admitted): void {
  const { user, table, subresource, namespace } = asked;
  const name = asked.name || object.metadata.name || object.metadata.generateName || "Unknown";
  const request = { operation, user, table, subresource, namespace, name, object, old };
  try {
    for (const plugin of PLUGINS) plugin(draft, request);
  } catch (error) {
    if (error instanceof StatusError) throw new AdmissionError(error.body);
    throw error;
  }
}
