import type { Node } from "../../../shared/api/generated/types.ts";
import { AGE, age, column, NAME, NONE, type Printer, wide } from "./column.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";
const UNKNOWN = "<unknown>";

export const nodes: Printer<Node> = {
  columns: [
    NAME,
    column("Status", "string", "Whether the node is ready and takes pods."),
    column("Roles", "string", "The node's roles, from its labels."),
    AGE,
    column("Version", "string", "Version of the node's kubelet."),
    wide("Internal-IP", "string", "The node's first address inside of the cluster."),
    wide("External-IP", "string", "The node's first address outside of the cluster."),
    wide("OS-Image", "string", "The node's operating system."),
    wide("Kernel-Version", "string", "The node's kernel."),
    wide("Container-Runtime", "string", "The node's container runtime and its version."),
  ],
  cells(node, now) {
    const info = node.status?.nodeInfo;
    return [
      node.metadata.name,
      statusOf(node),
      rolesOf(node),
      age(node, now),
      info?.kubeletVersion ?? "",
      addressOf(node, "InternalIP"),
      addressOf(node, "ExternalIP"),
      info?.osImage || UNKNOWN,
      info?.kernelVersion || UNKNOWN,
      info?.containerRuntimeVersion || UNKNOWN,
    ];
  },
};

function statusOf(node: Node): string {
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  const status = !ready ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return node.spec?.unschedulable ? `${status},SchedulingDisabled` : status;
}

function rolesOf(node: Node): string {
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(node.metadata.labels ?? {})) {
    if (label.startsWith(ROLE_PREFIX)) {
      if (label.length > ROLE_PREFIX.length) roles.add(label.slice(ROLE_PREFIX.length));
    } else if (label === ROLE_LABEL && value) {
      roles.add(value);
    }
  }
  return [...roles].sort().join(",") || NONE;
}

function addressOf(node: Node, kind: string): string {
  return node.status?.addresses?.find(({ type }) => type === kind)?.address ?? NONE;
}
