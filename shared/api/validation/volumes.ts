import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from "../generated/types.ts";
import { parseQuantity } from "../quantity.ts";
import { VOLUME_FIELDS, validateFieldRef, validateResourceFieldRef } from "./env.ts";
import { Findings } from "./findings.ts";
import { validateAnnotations, validateLabels } from "./metadata.ts";
import { dnsSubdomain } from "./names.ts";
import {
  validateDescendingPath,
  validateFileMode,
  validateNoBacksteps,
  validateVolumeFilePath,
} from "./paths.ts";

type Source = Readonly<Record<string, unknown>>;
type SourceRule = (found: Findings, field: string, source: never, volume: Volume) => void;

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

/** Sources whose rule is that some fields are not empty. */
const REQUIRED_FIELDS: Readonly<Record<string, readonly string[]>> = {
  awsElasticBlockStore: ["volumeID"],
  azureDisk: ["diskName", "diskURI"],
  azureFile: ["secretName", "shareName"],
  cephfs: ["monitors"],
  cinder: ["volumeID"],
  flexVolume: ["driver"],
  gcePersistentDisk: ["pdName"],
  gitRepo: ["repository"],
  glusterfs: ["endpoints", "path"],
  iscsi: ["targetPortal", "iqn"],
  nfs: ["server", "path"],
  persistentVolumeClaim: ["claimName"],
  photonPersistentDisk: ["pdID"],
  portworxVolume: ["volumeID"],
  quobyte: ["registry", "volume"],
  rbd: ["monitors", "image"],
  scaleIO: ["gateway", "system", "volumeName"],
  storageos: ["volumeName"],
  vsphereVolume: ["volumePath"],
};

/** What there is to check beyond that. */
const RULES: Readonly<Record<string, SourceRule>> = {
  emptyDir(found, field, { sizeLimit }: NonNullable<Volume["emptyDir"]>) {
    if (sizeLimit === undefined || parseQuantity(sizeLimit).nanos >= 0n) return;
    const words = "SizeLimit field must be a valid resource quantity";
    found.forbidden(`${field}.sizeLimit`, words);
  },
  hostPath(found, field, { path, type = "" }: NonNullable<Volume["hostPath"]>) {
    if (!path) {
      found.required(`${field}.path`);
      return;
    }
    validateNoBacksteps(found, `${field}.path`, path);
    found.oneOf(`${field}.type`, type, HOST_PATH_TYPES);
  },
  gitRepo(found, field, { directory }: NonNullable<Volume["gitRepo"]>) {
    if (directory) validateDescendingPath(found, `${field}.directory`, directory);
  },
  nfs(found, field, { path }: NonNullable<Volume["nfs"]>) {
    if (!path?.startsWith("/")) {
      found.invalid(`${field}.path`, path ?? "", "must be an absolute path");
    }
  },
  secret(found, field, { secretName, defaultMode, items }: NonNullable<Volume["secret"]>) {
    if (!secretName) found.required(`${field}.secretName`);
    validateFileMode(found, `${field}.defaultMode`, defaultMode);
    validateItems(found, field, items);
  },
  configMap(found, field, { name, defaultMode, items }: NonNullable<Volume["configMap"]>) {
    if (!name) found.required(`${field}.name`);
    validateFileMode(found, `${field}.defaultMode`, defaultMode);
    validateItems(found, field, items);
  },
  downwardAPI(found, field, { defaultMode, items }: NonNullable<Volume["downwardAPI"]>) {
    validateFileMode(found, `${field}.defaultMode`, defaultMode);
    for (const file of items ?? []) validateDownwardFile(found, field, file);
  },
  projected(found, field, source: ProjectedVolumeSource) {
    validateFileMode(found, `${field}.defaultMode`, source.defaultMode);
    validateProjections(found, field, source.sources);
  },
  csi(found, field, { driver, nodePublishSecretRef }: NonNullable<Volume["csi"]>) {
    validateDriver(found, `${field}.driver`, driver);
    if (!nodePublishSecretRef) return;
    const { name } = nodePublishSecretRef;
    if (!name) found.required(`${field}.nodePublishSecretRef.name`);
    else found.dnsSubdomain(`${field}.name`, name);
  },
  ephemeral(found, field, { volumeClaimTemplate }: NonNullable<Volume["ephemeral"]>) {
    const at = `${field}.volumeClaimTemplate`;
    if (!volumeClaimTemplate) {
      found.required(at);
      return;
    }
    const { annotations, labels, ...others } = volumeClaimTemplate.metadata ?? {};
    validateAnnotations(found, `${at}.metadata.annotations`, annotations);
    validateLabels(found, `${at}.metadata.labels`, labels);
    for (const other of Object.keys(others)) {
      found.forbidden(`${at}.metadata.${other}`, "cannot be set");
    }
    const { accessModes, resources } = volumeClaimTemplate.spec ?? {};
    if (!accessModes?.length) {
      found.required(`${at}.spec.accessModes`, "at least 1 access mode is required");
    }
    if (resources?.requests?.["storage"] === undefined) {
      found.required(`${at}.spec.resources[storage]`);
    }
  },
  image(found, field, { reference, pullPolicy }: NonNullable<Volume["image"]>) {
    if (!reference) found.required(`${field}.reference`);
    found.requiredOneOf(`${field}.pullPolicy`, pullPolicy, ["Always", "IfNotPresent", "Never"]);
  },
};

/** The order in which sources are looked at; of several the first is checked, the rest refused. */
const SOURCES = [
  "emptyDir",
  "hostPath",
  "gitRepo",
  "gcePersistentDisk",
  "awsElasticBlockStore",
  "secret",
  "nfs",
  "iscsi",
  "glusterfs",
  "flocker",
  "persistentVolumeClaim",
  "rbd",
  "cinder",
  "cephfs",
  "quobyte",
  "downwardAPI",
  "fc",
  "flexVolume",
  "configMap",
  "azureFile",
  "vsphereVolume",
  "photonPersistentDisk",
  "portworxVolume",
  "azureDisk",
  "storageos",
  "projected",
  "scaleIO",
  "csi",
  "ephemeral",
  "image",
];

/** Answers the volumes that containers may mount: those without findings. */
export function validateVolumes(
  found: Findings,
  field: string,
  volumes: readonly Volume[] = [],
  podName?: string,
): ReadonlyMap<string, Volume> {
  const usable = new Map<string, Volume>();
  volumes.forEach((volume, index) => {
    const at = `${field}[${index}]`;
    const own = new Findings();
    validateSource(own, at, volume);
    if (!volume.name) own.required(`${at}.name`);
    else own.dnsLabel(`${at}.name`, volume.name);
    if (usable.has(volume.name)) own.duplicate(`${at}.name`, volume.name);
    if (podName && volume.ephemeral && volume.name) {
      const claim = `${podName}-${volume.name}`;
      const wrong = dnsSubdomain(claim).map((words) => `PVC name "${claim}": ${words}`);
      own.invalidAll(`${at}.name`, volume.name, wrong);
    }
    if (own.list.length) found.add(own.list);
    else usable.set(volume.name, volume);
  });
  return usable;
}

function validateSource(found: Findings, at: string, volume: Volume): void {
  const sources = volume as unknown as Readonly<Record<string, Source | undefined>>;
  const present = SOURCES.filter((name) => sources[name]);
  const [first, ...more] = present;
  if (first === undefined) {
    found.required(at, "must specify a volume type");
    return;
  }
  const source = sources[first] as Source;
  for (const name of REQUIRED_FIELDS[first] ?? []) {
    const value = source[name];
    if (!value || (Array.isArray(value) && !value.length)) found.required(`${at}.${first}.${name}`);
  }
  RULES[first]?.(found, `${at}.${first}`, source as never, volume);
  for (const name of more) {
    found.forbidden(`${at}.${name}`, "may not specify more than 1 volume type");
  }
}

function validateItems(found: Findings, field: string, items: readonly KeyToPath[] = []): void {
  items.forEach(({ key, path, mode }, index) => {
    const at = `${field}.items[${index}]`;
    if (!key) found.required(`${at}.key`);
    if (!path) found.required(`${at}.path`);
    validateVolumeFilePath(found, `${at}.path`, path ?? "");
    validateFileMode(found, `${at}.mode`, mode);
  });
}

function validateDownwardFile(found: Findings, field: string, file: DownwardAPIVolumeFile): void {
  const { path, fieldRef, resourceFieldRef, mode } = file;
  if (!path) found.required(`${field}.path`);
  validateVolumeFilePath(found, `${field}.path`, path ?? "");
  if (fieldRef) {
    validateFieldRef(found, `${field}.fieldRef`, fieldRef, VOLUME_FIELDS);
    if (resourceFieldRef) {
      const words = "fieldRef and resourceFieldRef can not be specified simultaneously";
      found.invalid(field, "resource", words);
    }
  } else if (resourceFieldRef) {
    validateResourceFieldRef(found, `${field}.resourceFieldRef`, resourceFieldRef, true);
  } else found.required(field, "one of fieldRef and resourceFieldRef is required");
  validateFileMode(found, `${field}.mode`, mode);
}

const TOKEN_SECONDS_MIN = 600;
const TOKEN_SECONDS_MAX = 2 ** 32;

/** Paths have to differ over all sources of the volume. */
function validateProjections(
  found: Findings,
  field: string,
  sources: readonly VolumeProjection[] = [],
): void {
  const paths = new Set<string>();
  const claim = (path: string | undefined, value: unknown): void => {
    if (!path) return;
    if (paths.has(path)) found.invalid(field, value, "conflicting duplicate paths");
    paths.add(path);
  };
  sources.forEach((source, index) => {
    const at = `${field}.sources[${index}]`;
    for (const part of ["secret", "configMap"] as const) {
      const projection = source[part];
      if (!projection) continue;
      if (!projection.name) found.required(`${at}.${part}.name`);
      validateItems(found, `${at}.${part}`, projection.items);
      for (const { path } of projection.items ?? []) claim(path, projection.name ?? "");
    }
    for (const file of source.downwardAPI?.items ?? []) {
      validateDownwardFile(found, `${at}.downwardAPI`, file);
      claim(file.path, file.path);
    }
    validateTokenProjection(found, field, at, source.serviceAccountToken);
    const bundle = source.clusterTrustBundle;
    if (bundle) {
      if (!bundle.name === !bundle.signerName) validateBundleName(found, at, bundle);
      if (!bundle.path) found.required(`${at}.clusterTrustBundle.path`);
      else validateVolumeFilePath(found, `${at}.clusterTrustBundle.path`, bundle.path);
      claim(bundle.path, bundle.path);
    }
    if (Object.values(source).filter(Boolean).length > 1) {
      found.forbidden(at, "may not specify more than 1 volume type per source");
    }
  });
}

function validateBundleName(
  found: Findings,
  at: string,
  bundle: NonNullable<VolumeProjection["clusterTrustBundle"]>,
): void {
  const field = `${at}.clusterTrustBundle`;
  if (bundle.name) found.invalid(field, bundle, "only one of name and signerName may be used");
  else found.required(field, "either name or signerName must be specified");
}

function validateTokenProjection(
  found: Findings,
  field: string,
  at: string,
  token: VolumeProjection["serviceAccountToken"],
): void {
  if (!token) return;
  const { expirationSeconds = 0, path } = token;
  const expiration = `${at}.serviceAccountToken.expirationSeconds`;
  if (expirationSeconds < TOKEN_SECONDS_MIN) {
    const words = "may not specify a duration less than 10 minutes";
    found.invalid(expiration, expirationSeconds, words);
  }
  if (expirationSeconds > TOKEN_SECONDS_MAX) {
    const words = "may not specify a duration larger than 2^32 seconds";
    found.invalid(expiration, expirationSeconds, words);
  }
  if (!path) found.required(`${field}.path`);
  else validateVolumeFilePath(found, `${field}.path`, path);
}

const DRIVER_MAX = 63;

function validateDriver(found: Findings, field: string, driver: string | undefined): void {
  if (!driver) found.required(field);
  if ((driver?.length ?? 0) > DRIVER_MAX) found.tooLong(field, DRIVER_MAX);
  found.invalidAll(field, driver ?? "", dnsSubdomain((driver ?? "").toLowerCase()));
}
