import { EVENTS, pathRule, READ, type RoleTable, rule } from "./rules.ts";

/** Roles of everybody, of delegated servers, and of those parts that are no controllers. */
export const SYSTEM_ROLES: RoleTable = {
  "cluster-admin": [rule("*", "*", "*"), pathRule("*", "*")],
  "system:discovery": [
    pathRule(
      "get",
      "/api",
      "/api/*",
      "/apis",
      "/apis/*",
      "/healthz",
      "/livez",
      "/openapi",
      "/openapi/*",
      "/readyz",
      "/version",
      "/version/",
    ),
  ],
  "system:public-info-viewer": [
    pathRule("get", "/healthz", "/livez", "/readyz", "/version", "/version/"),
  ],
  "system:monitoring": [
    pathRule(
      "get",
      "/healthz",
      "/healthz/*",
      "/livez",
      "/livez/*",
      "/metrics",
      "/metrics/slis",
      "/readyz",
      "/readyz/*",
    ),
  ],
  "system:basic-user": [
    rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
    rule("create", "authentication.k8s.io", "selfsubjectreviews"),
  ],
  "system:service-account-issuer-discovery": [
    pathRule(
      "get",
      "/.well-known/openid-configuration",
      "/.well-known/openid-configuration/",
      "/openid/v1/jwks",
      "/openid/v1/jwks/",
    ),
  ],
  "system:auth-delegator": [
    rule("create", "authentication.k8s.io", "tokenreviews"),
    rule("create", "authorization.k8s.io", "subjectaccessreviews"),
  ],
  "system:node": [
    rule("create", "authentication.k8s.io", "tokenreviews"),
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
    rule(READ, "core", "services"),
    rule("create get list watch", "core", "nodes"),
    rule("patch update", "core", "nodes nodes/status"),
    EVENTS,
    rule(READ, "core", "pods"),
    rule("create delete", "core", "pods"),
    rule("patch update", "core", "pods/status"),
    rule("create", "core", "pods/eviction"),
    rule(READ, "core", "configmaps secrets"),
    rule("create", "core", "serviceaccounts/token"),
    rule("get", "core", "serviceaccounts"),
    rule("create delete get patch update", "coordination.k8s.io", "leases"),
    rule(READ, "node.k8s.io", "runtimeclasses"),
  ],
  "system:node-proxier": [
    rule("list watch", "core", "endpoints services"),
    rule(READ, "core", "nodes pods"),
    rule("list watch", "discovery.k8s.io", "endpointslices"),
    rule("list watch", "networking.k8s.io", "servicecidrs"),
    EVENTS,
  ],
  "system:kube-dns": [
    rule(READ, "core", "endpoints namespaces nodes services"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
  ],
  "system:kube-scheduler": [
    EVENTS,
    rule(READ, "core", "nodes pods"),
    rule("delete", "core", "pods"),
    rule("create", "core", "bindings pods/binding"),
    rule("patch update", "core", "pods/status"),
    rule(READ, "core", "namespaces persistentvolumeclaims persistentvolumes"),
    rule(READ, "core", "replicationcontrollers services"),
    rule(READ, "apps", "deployments replicasets statefulsets"),
    rule(READ, "policy", "poddisruptionbudgets"),
    rule(READ, "scheduling.k8s.io", "priorityclasses"),
    rule(READ, "storage.k8s.io", "csidrivers csinodes csistoragecapacities storageclasses"),
    rule("create", "authentication.k8s.io", "tokenreviews"),
    rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    rule("create get list patch update watch", "coordination.k8s.io", "leases"),
  ],
};

/** Roles within kube-system. */
export const KUBE_SYSTEM_ROLES: RoleTable = {
  // The nodes' DNS servers keep the Service of the cluster's DNS and its endpoints in being
  "system:kube-dns": [
    rule("create patch update", "core", "services"),
    rule("create delete patch update", "discovery.k8s.io", "endpointslices"),
  ],
};
