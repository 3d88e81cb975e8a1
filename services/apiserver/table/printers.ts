import { groupResourceOf } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { column, NAME, type Printer } from "./column.ts";
import { configMaps, leases, namespaces, secrets, serviceAccounts } from "./config.ts";
import { events } from "./events.ts";
import { nodes } from "./nodes.ts";
import { pods } from "./pods.ts";
import { bindings } from "./rbac.ts";
import { endpointSlices, endpoints, services } from "./services.ts";
import { deployments, replicaSets } from "./workloads.ts";

/** How kinds look whose columns Kubernetes does not know: name and time of creation. */
const DEFAULT: Printer = {
  columns: [NAME, column("Created At", "date", "When the object was created.")],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp ?? null],
};

const PRINTERS = new Map<string, Printer>([
  ["pods", pods as Printer],
  ["nodes", nodes as Printer],
  ["services", services as Printer],
  ["endpoints", endpoints as Printer],
  ["endpointslices.discovery.k8s.io", endpointSlices as Printer],
  ["deployments.apps", deployments as Printer],
  ["replicasets.apps", replicaSets as Printer],
  ["configmaps", configMaps as Printer],
  ["secrets", secrets as Printer],
  ["serviceaccounts", serviceAccounts as Printer],
  ["namespaces", namespaces as Printer],
  ["leases.coordination.k8s.io", leases as Printer],
  ["rolebindings.rbac.authorization.k8s.io", bindings as Printer],
  ["clusterrolebindings.rbac.authorization.k8s.io", bindings as Printer],
  ["events", events],
  ["events.events.k8s.io", events],
]);

/** How a kind looks as a Table. */
export function printerOf(table: KindTable): Printer {
  return PRINTERS.get(groupResourceOf(table)) ?? DEFAULT;
}
