import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Draft } from "../draft.ts";

const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** Why the node may not create this pod; undefined: it is a mirror pod of its own. */
export function mirrorPodProblem(
  draft: Draft,
  pod: KubernetesObject,
  node: string,
): string | undefined {
  const quoted = JSON.stringify(node);
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] === undefined) {
    return (
      `pod does not have "${MIRROR_ANNOTATION}" annotation, ` +
      `node ${quoted} can only create mirror pods`
    );
  }
  if (pod.spec.nodeName !== node) {
    return `node ${quoted} can only create pods with spec.nodeName set to itself`;
  }
  return ownerProblem(draft, pod, node) ?? referenceProblem(pod, quoted);
}

function ownerProblem(draft: Draft, pod: KubernetesObject, node: string): string | undefined {
  const quoted = JSON.stringify(node);
  const owners = pod.metadata.ownerReferences ?? [];
  if (owners.length > 1) {
    return `node ${quoted} can only create pods with a single owner reference set to itself`;
  }
  const owner = owners[0];
  if (owner?.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== node) {
    return `node ${quoted} can only create pods with an owner reference set to itself`;
  }
  if (!owner.controller) {
    return `node ${quoted} can only create pods with a controller owner reference set to itself`;
  }
  if (owner.blockOwnerDeletion) {
    return `node ${quoted} must not set blockOwnerDeletion on an owner reference`;
  }
  const found = draft.read(keyOf("nodes", "", node));
  if (found?.metadata.uid === owner.uid) return undefined;
  return `node ${node} UID mismatch: expected ${owner.uid} got ${found?.metadata.uid ?? ""}`;
}

/** What runs without the API must not be a way to read it. */
function referenceProblem(pod: KubernetesObject, quoted: string): string | undefined {
  const cannot = (what: string) => `node ${quoted} can not create pods that reference ${what}`;
  if (pod.spec.serviceAccountName) return cannot("a service account");
  if (mentions(pod.spec, ["secret", "secretName", "secretRef", "secretKeyRef"])) {
    return cannot("secrets");
  }
  if (pod.spec.imagePullSecrets?.length) return cannot("secrets");
  if (mentions(pod.spec, ["configMap", "configMapRef", "configMapKeyRef"])) {
    return cannot("configmaps");
  }
  if (mentions(pod.spec.volumes, ["clusterTrustBundle"])) return cannot("clustertrustbundles");
  if (mentions(pod.spec.volumes, ["persistentVolumeClaim"])) {
    return cannot("persistentvolumeclaims");
  }
  return undefined;
}

function mentions(value: unknown, fields: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => mentions(item, fields));
  return Object.entries(value).some(
    ([name, field]) => (fields.includes(name) && field !== null) || mentions(field, fields),
  );
}
