import { keyOf } from "../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Draft } from "../draft.ts";
import { hashSuffix } from "../hash.ts";
import { type AdmissionRequest, createsPod, refuse } from "./plugin.ts";

const DEFAULT_ACCOUNT = "default";
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** One hour, and a little that tells these tokens apart. */
const EXPIRATION_SECONDS = 3607;
const ROOT_CA_CONFIG_MAP = "kube-root-ca.crt";
const VOLUME_MODE = 0o644;

interface Container {
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
}

/** Every pod runs as a service account, and finds its token where clients look for it. */
export function serviceAccount(draft: Draft, request: AdmissionRequest): void {
  if (!createsPod(request)) return;
  const pod = request.object;
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
    refuseMirror(request, pod);
    return;
  }
  const { spec } = pod;
  spec.serviceAccountName ||= DEFAULT_ACCOUNT;
  spec.serviceAccount = spec.serviceAccountName;
  const account = draft.read(keyOf("serviceaccounts", request.namespace, spec.serviceAccountName));
  if (account === undefined) {
    const which = `${request.namespace}/${spec.serviceAccountName}`;
    const missing = `serviceaccount "${spec.serviceAccountName}" not found`;
    throw refuse(request, `error looking up service account ${which}: ${missing}`);
  }
  if (mountsToken(pod, account)) mountToken(pod);
  if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
    spec.imagePullSecrets = account.imagePullSecrets.map((secret: { name: string }) => ({
      name: secret.name,
    }));
  }
}

/** A mirror pod shows what runs on a node anyway; it must not be given anything. */
function refuseMirror(request: AdmissionRequest, pod: KubernetesObject): void {
  if (pod.spec.serviceAccountName) {
    throw refuse(request, "a mirror pod may not reference service accounts");
  }
  const volumes: { projected?: { sources?: { serviceAccountToken?: unknown }[] } }[] =
    pod.spec.volumes ?? [];
  const tokens = volumes.some((volume) =>
    volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined),
  );
  if (tokens) {
    throw refuse(request, "a mirror pod may not use ServiceAccountToken volume projections");
  }
}

function mountsToken(pod: KubernetesObject, account: KubernetesObject): boolean {
  return pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

function mountToken(pod: KubernetesObject): void {
  const { spec } = pod;
  const volumes: { name: string }[] = spec.volumes ?? [];
  const present = volumes.find((volume) => volume.name.startsWith(VOLUME_PREFIX));
  const name = present?.name ?? `${VOLUME_PREFIX}${hashSuffix(pod.metadata.uid ?? "", 5)}`;
  let mounted = false;
  const containers: Container[] = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  for (const container of containers) {
    const mounts = container.volumeMounts ?? [];
    if (mounts.some((mount) => mount.mountPath === MOUNT_PATH)) continue;
    container.volumeMounts = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }];
    mounted = true;
  }
  if (mounted && !present) spec.volumes = [...volumes, tokenVolume(name)];
}

function tokenVolume(name: string): { name: string } & Record<string, unknown> {
  const token = { expirationSeconds: EXPIRATION_SECONDS, path: "token" };
  const namespace = {
    path: "namespace",
    fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" },
  };
  const sources = [
    { serviceAccountToken: token },
    { configMap: { name: ROOT_CA_CONFIG_MAP, items: [{ key: "ca.crt", path: "ca.crt" }] } },
    { downwardAPI: { items: [namespace] } },
  ];
  return { name, projected: { sources, defaultMode: VOLUME_MODE } };
}
