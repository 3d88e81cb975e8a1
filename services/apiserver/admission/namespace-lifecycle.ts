import { notFound, StatusError } from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { Draft } from "../draft.ts";
import { type AdmissionRequest, concerns, refuse } from "./plugin.ts";

/** Namespaces that nobody may delete. */
const IMMORTAL = new Set(["default", "kube-system", "kube-public"]);
const NAMESPACES = { group: "", plural: "namespaces" };

/** Nothing is created in a namespace that does not exist or that is going away. */
export function namespaceLifecycle(draft: Draft, request: AdmissionRequest): void {
  const { operation, namespace, name, table } = request;
  if (concerns(request, "namespaces")) {
    if (operation === "DELETE" && IMMORTAL.has(name)) {
      throw refuse(request, "this namespace may not be deleted");
    }
    return;
  }
  if (namespace === "" || operation === "DELETE" || table.log === "none") return;
  const found = draft.read(keyOf("namespaces", "", namespace));
  if (found === undefined) throw notFound(NAMESPACES, namespace);
  if (operation !== "CREATE" || found.status?.phase !== "Terminating") return;
  throw terminating(request, namespace);
}

function terminating(request: AdmissionRequest, namespace: string): StatusError {
  const what = `unable to create new content in namespace ${namespace}`;
  const why = `${what} because it is being terminated`;
  const { body } = refuse(request, why);
  const cause = {
    reason: "NamespaceTerminating",
    message: `namespace ${namespace} is being terminated`,
    field: "metadata.namespace",
  };
  return new StatusError({ ...body, details: { ...body.details, causes: [cause] } });
}
