import { deploymentDefaults, replicaSetDefaults } from "./defaults/apps.ts";
import {
  endpointSliceDefaults,
  endpointsDefaults,
  namespaceDefaults,
  nodeDefaults,
  secretDefaults,
  serviceDefaults,
  tokenRequestDefaults,
} from "./defaults/core.ts";
import { podDefaults } from "./defaults/pod.ts";
import { bindingDefaults } from "./defaults/rbac.ts";
import { schemaDefaults } from "./defaults/schema.ts";
import type { KubernetesObject } from "./object.ts";
import type { KindTable } from "./schema.ts";

type Defaults = (object: KubernetesObject) => void;

/** By `Kind.group`. Kinds without an entry have no defaults. */
const BY_KIND: Readonly<Record<string, Defaults>> = {
  Pod: podDefaults,
  Service: serviceDefaults,
  Endpoints: endpointsDefaults,
  Namespace: namespaceDefaults,
  Node: nodeDefaults,
  Secret: secretDefaults,
  "Deployment.apps": deploymentDefaults,
  "ReplicaSet.apps": replicaSetDefaults,
  "EndpointSlice.discovery.k8s.io": endpointSliceDefaults,
  "RoleBinding.rbac.authorization.k8s.io": bindingDefaults,
  "ClusterRoleBinding.rbac.authorization.k8s.io": bindingDefaults,
  "TokenRequest.authentication.k8s.io": tokenRequestDefaults,
};

/**
 * Fills in, in place, what Kubernetes fills in when an object is written: on create, and again on
 * every update and patch. Empty strings count as absent. The object has been decoded: types and
 * formats are right. What needs nothing is not written to: parts that are frozen because they are
 * shared with a stored object may stay so.
 */
export function applyDefaults(
  table: Pick<KindTable, "group" | "kind" | "schema">,
  object: KubernetesObject,
): void {
  BY_KIND[table.group ? `${table.kind}.${table.group}` : table.kind]?.(object);
  schemaDefaults(table.schema, object);
}
