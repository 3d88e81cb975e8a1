/**
 * Root CA publisher: every active namespace has a ConfigMap `kube-root-ca.crt` with the certificate
 * by which pods know the apiserver.
 */

import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { ConfigMap, Namespace } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Key } from "../../shared/store/store.ts";

const NAME = "kube-root-ca.crt";
const DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal " +
  "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is " +
  "guaranteed across distributions of Kubernetes clusters.";

/** @param certificate the cluster's CA certificate, PEM. */
export function rootCertificateAuthority(certificate: string): Controller {
  return {
    name: "root-ca",
    version: 1,
    primary: "namespaces",
    wakes: { configmaps: wokenByConfigMap },
    concerns: ({ entry }) => entry.resource === "namespaces" || entry.name === NAME,
    reconcile: (key, at) => reconcile(key, at, certificate),
  };
}

function wokenByConfigMap(
  object: KubernetesObject | undefined,
  old: KubernetesObject | undefined,
): readonly Key[] {
  const { name, namespace } = ((object ?? old) as KubernetesObject).metadata;
  return name === NAME ? [keyOf("namespaces", "", namespace as string)] : [];
}

export function reconcile(key: Key, at: Snapshot, certificate: string): Plan {
  const ns = at.getKey<Namespace>(key);
  if (ns === undefined || ns.metadata.deletionTimestamp !== undefined) return { actions: [] };
  const { name: namespace } = ns.metadata;
  const present = at.get<ConfigMap>("configmaps", namespace, NAME);
  if (present?.data?.["ca.crt"] === certificate) return { actions: [] };
  const configMapKey = keyOf("configmaps", namespace, NAME);
  if (present !== undefined) {
    const object = { ...present, data: { "ca.crt": certificate } };
    const expect = present.metadata.resourceVersion as string;
    return {
      actions: [{ op: "update", key: configMapKey, expect, object }],
      reason: "the published certificate is not the cluster's",
    };
  }
  const annotations = { "kubernetes.io/description": DESCRIPTION };
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: NAME, namespace, annotations },
    data: { "ca.crt": certificate },
  };
  return {
    actions: [{ op: "create", key: configMapKey, object }],
    reason: "the namespace has no copy of the CA certificate",
  };
}
