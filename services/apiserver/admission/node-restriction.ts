import { notFound } from "../../../shared/api/errors.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Draft } from "../draft.ts";
import { equalOrEmpty } from "../json.ts";
import type { UserInfo } from "../request.ts";
import { mirrorPodProblem } from "./mirror-pod.ts";
import { type AdmissionRequest, concerns, refuse } from "./plugin.ts";

const NODES_GROUP = "system:nodes";
const USER_PREFIX = "system:node:";
const LEASE_NAMESPACE = "kube-node-lease";
const PODS = { group: "", plural: "pods" };

/** The node that the user is; undefined when the user is no node. */
export function nodeOf(user: UserInfo): string | undefined {
  if (!user.groups.includes(NODES_GROUP)) return undefined;
  return user.username.startsWith(USER_PREFIX) ? user.username.slice(USER_PREFIX.length) : "";
}

/** A node may write only what is its own: itself, its lease, the pods bound to it. */
export function nodeRestriction(draft: Draft, request: AdmissionRequest): void {
  const node = nodeOf(request.user);
  if (node === undefined) return;
  if (node === "") {
    const who = JSON.stringify(request.user.username);
    throw refuse(request, `could not determine node from user ${who}`);
  }
  if (concerns(request, "pods")) podOf(draft, request, node);
  else if (concerns(request, "nodes")) nodeItself(request, node);
  else if (concerns(request, "serviceaccounts")) tokenOf(draft, request, node);
  else if (request.table.group === "coordination.k8s.io") leaseOf(request, node);
}

function podOf(draft: Draft, request: AdmissionRequest, node: string): void {
  const { operation, subresource } = request;
  const quoted = JSON.stringify(node);
  if (subresource === "status") {
    statusOfPod(request, quoted, node);
  } else if (subresource === "eviction") {
    if (request.object.spec?.nodeName === node) return;
    throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
  } else if (subresource !== "") {
    const what = JSON.stringify(subresource);
    const allowed = "only 'status' and 'eviction' are allowed";
    throw refuse(request, `unexpected pod subresource ${what}, ${allowed}`);
  } else if (operation === "DELETE") {
    if (request.old?.spec?.nodeName === node) return;
    throw refuse(request, `node ${quoted} can only delete pods with spec.nodeName set to itself`);
  } else if (operation === "CREATE") {
    const problem = mirrorPodProblem(draft, request.object, node);
    if (problem !== undefined) throw refuse(request, problem);
  } else {
    throw refuse(
      request,
      `unexpected operation ${JSON.stringify(operation)}, ` +
        `node ${quoted} can only create and delete mirror pods`,
    );
  }
}

function statusOfPod(request: AdmissionRequest, quoted: string, node: string): void {
  if (request.old?.spec?.nodeName !== node) {
    throw refuse(
      request,
      `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`,
    );
  }
  if (!equalOrEmpty(request.object.metadata.labels, request.old.metadata.labels)) {
    throw refuse(request, `node ${quoted} cannot update labels through pod status`);
  }
}

function nodeItself(request: AdmissionRequest, node: string): void {
  const { object, old, operation } = request;
  const quoted = JSON.stringify(node);
  if (request.name !== node) {
    const other = JSON.stringify(request.name);
    throw refuse(request, `node ${quoted} is not allowed to modify node ${other}`);
  }
  if (operation === "DELETE") return;
  const labels = forbiddenLabels(object.metadata.labels ?? {}, old?.metadata.labels ?? {});
  if (operation === "CREATE") {
    if (labels.length === 0) return;
    const list = labels.join(", ");
    throw refuse(request, `node ${quoted} is not allowed to set the following labels: ${list}`);
  }
  if (!equalOrEmpty(object.spec?.taints, old?.spec?.taints)) {
    throw refuse(request, `node ${quoted} is not allowed to modify taints`);
  }
  if (labels.length > 0) {
    throw refuse(request, `is not allowed to modify labels: ${labels.join(", ")}`);
  }
}

type Labels = Readonly<Record<string, string>>;

/** Labels that a kubelet may set on its own node although they are Kubernetes' own. */
const KUBELET_LABELS = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "node.kubernetes.io/instance-type",
  "node.kubernetes.io/windows-build",
  "beta.kubernetes.io/instance-type",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
]);
const KUBELET_PREFIXES = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED = "node-restriction.kubernetes.io";

function forbiddenLabels(next: Labels, old: Labels): string[] {
  const names = new Set([...Object.keys(next), ...Object.keys(old)]);
  return [...names].filter((name) => next[name] !== old[name] && !mayChange(name)).sort();
}

function mayChange(label: string): boolean {
  const prefix = label.includes("/") ? label.slice(0, label.indexOf("/")) : "";
  const within = (domain: string) => prefix === domain || prefix.endsWith(`.${domain}`);
  if (within(RESTRICTED)) return false;
  if (!within("kubernetes.io") && !within("k8s.io")) return true;
  return KUBELET_LABELS.has(label) || KUBELET_PREFIXES.some(within);
}

/** A node gets tokens only for pods that are bound to it. */
function tokenOf(draft: Draft, request: AdmissionRequest, node: string): void {
  if (request.operation !== "CREATE" || request.subresource !== "token") return;
  const reference = request.object.spec?.boundObjectRef;
  const bound = reference?.apiVersion === "v1" && reference.kind === "Pod" && reference.name !== "";
  if (!bound || !reference.name) throw refuse(request, "node requested token not bound to a pod");
  if (!reference.uid) {
    throw refuse(request, "node requested token with a pod binding without a uid");
  }
  const pod: KubernetesObject | undefined = draft.read(
    keyOf("pods", request.namespace, reference.name),
  );
  if (pod === undefined) throw notFound(PODS, reference.name);
  if (pod.metadata.uid !== reference.uid) {
    throw refuse(
      request,
      `the UID in the bound object reference (${reference.uid}) ` +
        "does not match the UID in record. " +
        "The object might have been deleted and then recreated",
    );
  }
  if (pod.spec?.nodeName !== node) {
    throw refuse(request, "node requested token bound to a pod scheduled on a different node");
  }
}

function leaseOf(request: AdmissionRequest, node: string): void {
  if (request.namespace !== LEASE_NAMESPACE) {
    const where = JSON.stringify(LEASE_NAMESPACE);
    throw refuse(request, `can only access leases in the ${where} system namespace`);
  }
  if (request.name !== node) {
    throw refuse(request, "can only access node lease with the same name as the requesting node");
  }
}
