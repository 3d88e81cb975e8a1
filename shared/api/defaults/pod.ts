import type {
  Container,
  EphemeralContainer,
  HTTPGetAction,
  Pod,
  PodSpec,
  Probe,
  ResourceRequirements,
  Volume,
} from "../generated/types.ts";
import { impliedPullPolicy } from "../image.ts";
import type { KubernetesObject } from "../object.ts";
import { formatQuantity, parseQuantity } from "../quantity.ts";

const CRITICAL_PRIORITIES: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

/** A Pod: what its spec gets, and what only a Pod gets, not the template of one. */
export function podDefaults(object: KubernetesObject): void {
  const pod = object as Pod;
  pod.spec ??= { containers: [] };
  const { spec } = pod;
  podSpecDefaults(spec);
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
    requestsFromLimits(container.resources);
    if (spec.hostNetwork) {
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
    }
  }
  spec.enableServiceLinks ??= true;
  const known = CRITICAL_PRIORITIES[spec.priorityClassName ?? ""];
  if (!spec.priorityClassName || known !== undefined) {
    spec.priority ??= known ?? 0;
    spec.preemptionPolicy ??= "PreemptLowerPriority";
  }
}

/** A pod's spec, also in templates. Containers may be missing: validation will say so. */
export function podSpecDefaults(spec: PodSpec): void {
  spec.containers ??= [];
  for (const volume of spec.volumes ?? []) volumeDefaults(volume);
  for (const container of spec.initContainers ?? []) containerDefaults(container);
  for (const container of spec.containers) containerDefaults(container);
  for (const container of spec.ephemeralContainers ?? []) containerDefaults(container);
  resourceDefaults(spec.resources);
  roundUp(spec.overhead);
  spec.restartPolicy ||= "Always";
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ||= "ClusterFirst";
  // The old name of the field is served beside the new one, which counts.
  if (!spec.serviceAccountName && spec.serviceAccount) {
    spec.serviceAccountName = spec.serviceAccount;
  }
  if (spec.serviceAccountName && spec.serviceAccount !== spec.serviceAccountName) {
    spec.serviceAccount = spec.serviceAccountName;
  }
  spec.securityContext ??= {};
  spec.schedulerName ||= "default-scheduler";
}

function containerDefaults(container: Container | EphemeralContainer): void {
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= "v1";
  }
  container.resources ??= {};
  resourceDefaults(container.resources);
  probeDefaults(container.livenessProbe);
  probeDefaults(container.readinessProbe);
  probeDefaults(container.startupProbe);
  httpDefaults(container.lifecycle?.postStart?.httpGet);
  httpDefaults(container.lifecycle?.preStop?.httpGet);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  container.imagePullPolicy ||= impliedPullPolicy(container.image ?? "");
}

function probeDefaults(probe: Probe | undefined): void {
  if (!probe) return;
  httpDefaults(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= "";
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
}

function httpDefaults(action: HTTPGetAction | undefined): void {
  if (!action) return;
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

function resourceDefaults(resources: ResourceRequirements | undefined): void {
  roundUp(resources?.limits);
  roundUp(resources?.requests);
}

const MILLI = 1_000_000n;

/** Nothing finer than a thousandth is kept of a resource. */
function roundUp(list: Record<string, string | number> | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    if (!/[nu.e]/.test(String(text))) continue;
    const { nanos, format } = parseQuantity(text);
    const rest = nanos % MILLI;
    if (rest === 0n) continue;
    const rounded = nanos - rest + (nanos > 0n ? MILLI : 0n);
    (list as Record<string, string>)[name] = formatQuantity({ nanos: rounded, format });
  }
}

function requestsFromLimits(resources: ResourceRequirements | undefined): void {
  const { limits, requests = {} } = resources ?? {};
  if (!resources || !limits) return;
  if (Object.keys(limits).every((name) => requests[name] !== undefined)) return;
  resources.requests = { ...limits, ...requests };
}

const FILE_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/** What sources that Kubernetes still knows say when they say nothing. */
const SOURCE_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  hostPath: { type: "" },
  secret: { defaultMode: FILE_MODE },
  configMap: { defaultMode: FILE_MODE },
  downwardAPI: { defaultMode: FILE_MODE },
  projected: { defaultMode: FILE_MODE },
  iscsi: { iscsiInterface: "default" },
  rbd: { pool: "rbd", user: "admin", keyring: "/etc/ceph/keyring" },
  azureDisk: { cachingMode: "ReadWrite", fsType: "ext4", kind: "Shared", readOnly: false },
  scaleIO: { storageMode: "ThinProvisioned", fsType: "xfs" },
};

function volumeDefaults(volume: Volume): void {
  const sources = Object.keys(volume).filter((field) => field !== "name");
  if (!sources.length) volume.emptyDir = {};
  for (const source of sources) {
    const value = (volume as unknown as Record<string, Record<string, unknown>>)[source];
    for (const [field, preset] of Object.entries(SOURCE_DEFAULTS[source] ?? {})) {
      if (value && (value[field] ?? "") === "" && value[field] !== preset) value[field] = preset;
    }
  }
  for (const { fieldRef } of volume.downwardAPI?.items ?? []) {
    if (fieldRef) fieldRef.apiVersion ||= "v1";
  }
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS;
    for (const { fieldRef } of downwardAPI?.items ?? []) {
      if (fieldRef) fieldRef.apiVersion ||= "v1";
    }
  }
  if (volume.image) volume.image.pullPolicy ||= impliedPullPolicy(volume.image.reference ?? "");
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) claim.volumeMode ??= "Filesystem";
}
