import { READ, type RoleTable, rule, WRITE } from "./rules.ts";

/**
 * What a namespace's viewers, editors and administrators may do. Each is the sum of the roles that
 * are labelled for it, so that whoever adds kinds can add rules; an editor is a viewer, too, and an
 * administrator an editor.
 */
const WORKLOADS = "daemonsets deployments replicasets statefulsets";
const SCALES = "deployments/scale replicasets/scale statefulsets/scale";
const STATUSES =
  "daemonsets/status deployments/status replicasets/status statefulsets/status controllerrevisions";

export const VIEW_ROLE: RoleTable = {
  "system:aggregate-to-view": [
    rule(
      READ,
      "core",
      "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods " +
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services " +
        "services/status",
    ),
    rule(
      READ,
      "core",
      "bindings events limitranges namespaces namespaces/status pods/log pods/status " +
        "replicationcontrollers/status resourcequotas resourcequotas/status",
    ),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(READ, "apps", `${STATUSES} ${WORKLOADS} ${SCALES}`),
    rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
  ],
};

export const EDIT_ROLE: RoleTable = {
  "system:aggregate-to-edit": [
    rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction"),
    rule(
      WRITE,
      "core",
      "configmaps events persistentvolumeclaims replicationcontrollers " +
        "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(WRITE, "apps", `${WORKLOADS} ${SCALES} deployments/rollback`),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "batch", "cronjobs jobs"),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    rule([...READ, ...WRITE], "coordination.k8s.io", "leases"),
    rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
  ],
};

export const ADMIN_ROLE: RoleTable = {
  "system:aggregate-to-admin": [
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule([...READ, ...WRITE], "rbac.authorization.k8s.io", "rolebindings roles"),
  ],
};
