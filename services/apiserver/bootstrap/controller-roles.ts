import { EVENTS, READ, READ_WRITE, type RoleTable, rule } from "./rules.ts";

const CHANGE = "patch update";

/**
 * What each controller may do, by its name: the role is `system:controller:<name>`, bound to the
 * user of the same name.
 */
export const CONTROLLER_ROLES: RoleTable = {
  compaction: [rule(READ, "core", "namespaces")],
  deployment: [
    rule([...READ, ...CHANGE.split(" ")], "apps", "deployments"),
    rule(CHANGE, "apps", "deployments/finalizers deployments/status"),
    rule(READ_WRITE, "apps", "replicasets"),
    rule([...READ, ...CHANGE.split(" ")], "core", "pods"),
    EVENTS,
  ],
  endpoints: [
    rule(READ, "core", "namespaces nodes pods services"),
    rule(READ_WRITE, "core", "endpoints"),
    EVENTS,
  ],
  endpointslice: [
    rule(READ, "core", "namespaces nodes pods services"),
    rule(CHANGE, "core", "services services/finalizers services/status"),
    rule(READ_WRITE, "discovery.k8s.io", "endpointslices"),
    EVENTS,
  ],
  "event-expiry": [rule([...READ, "delete"], "core events.k8s.io", "events")],
  expiry: [
    rule([...READ, "delete"], "core events.k8s.io", "events"),
    rule([...READ, "delete"], "coordination.k8s.io", "leases"),
    rule(READ, "core", "nodes"),
  ],
  "garbage-collector": [rule([...READ, "delete", ...CHANGE.split(" ")], "*", "*"), EVENTS],
  "lease-expiry": [
    rule([...READ, "delete"], "coordination.k8s.io", "leases"),
    rule(READ, "core", "nodes"),
  ],
  namespace: [
    rule([...READ, "delete", ...CHANGE.split(" ")], "core", "namespaces"),
    rule(CHANGE, "core", "namespaces/finalize namespaces/status"),
    rule([...READ, "delete", "deletecollection", ...CHANGE.split(" ")], "*", "*"),
  ],
  "node-lifecycle": [
    rule([...READ, "delete", ...CHANGE.split(" ")], "core", "nodes"),
    rule(CHANGE, "core", "nodes/status pods/status"),
    rule([...READ, "delete", ...CHANGE.split(" ")], "core", "pods"),
    rule("create", "core", "pods/eviction"),
    rule(READ, "coordination.k8s.io", "leases"),
    EVENTS,
  ],
  "pod-garbage-collector": [
    rule([...READ, "delete"], "core", "pods"),
    rule(CHANGE, "core", "pods/status"),
    rule(READ, "core", "nodes"),
    EVENTS,
  ],
  replicaset: [
    rule([...READ, ...CHANGE.split(" ")], "apps", "replicasets"),
    rule(CHANGE, "apps", "replicasets/finalizers replicasets/status"),
    rule(READ_WRITE, "core", "pods"),
    EVENTS,
  ],
  "root-ca": [
    rule(READ, "core", "namespaces"),
    rule([...READ, "create", ...CHANGE.split(" ")], "core", "configmaps"),
    EVENTS,
  ],
  serviceaccount: [
    rule(READ, "core", "namespaces"),
    rule([...READ, "create", ...CHANGE.split(" ")], "core", "serviceaccounts"),
    EVENTS,
  ],
  // Stands in for the agents of many nodes
  "simulated-nodes": [
    rule([...READ, "create", ...CHANGE.split(" ")], "core", "nodes"),
    rule([...READ, "delete"], "core", "pods"),
    rule(CHANGE, "core", "nodes/status pods/status"),
    rule(READ, "core", "services"),
    rule([...READ, "create", ...CHANGE.split(" ")], "coordination.k8s.io", "leases"),
    EVENTS,
  ],
  "taint-eviction": [
    rule(READ, "core", "nodes"),
    rule([...READ, "delete"], "core", "pods"),
    rule(CHANGE, "core", "pods/status"),
    EVENTS,
  ],
  verify: [EVENTS],
};
