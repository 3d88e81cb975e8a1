import type {
  Container,
  ContainerPort,
  EphemeralContainer,
  PodSpec,
  Volume,
  VolumeMount,
} from "../generated/types.ts";
import { validateEnv, validateEnvFrom } from "./env.ts";
import type { Findings } from "./findings.ts";
import { portName, portNumber } from "./names.ts";
import { hasBacksteps, validateDescendingPath } from "./paths.ts";
import { type ProbeName, validateLifecycle, validateProbe } from "./probes.ts";
import { validateResourceRequirements } from "./resources.ts";
import { validateSecurityContext } from "./security.ts";

export const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const MESSAGE_POLICIES = ["File", "FallbackToLogsOnError"];
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
const PROBES: readonly ProbeName[] = ["livenessProbe", "readinessProbe", "startupProbe"];

/** What a container is checked against: its pod. */
export interface PodContext {
  readonly spec: PodSpec;
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly claims: readonly string[];
}

type AnyContainer = Container | EphemeralContainer;

export function validateContainers(found: Findings, field: string, context: PodContext): void {
  const { spec } = context;
  const containers = spec.containers ?? [];
  if (!containers.length) {
    found.required(field);
    return;
  }
  const names = new Set<string>();
  containers.forEach((container, index) => {
    const at = `${field}[${index}]`;
    validateContainer(found, at, container, context);
    if (names.has(container.name)) found.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    validateHooks(found, at, container, spec.terminationGracePeriodSeconds);
    validateRestart(found, at, container);
  });
  validateHostPorts(found, field, containers);
}

const NO_SIDECAR = "may not be set for init containers without restartPolicy=Always";

export function validateInitContainers(found: Findings, field: string, context: PodContext): void {
  const { spec } = context;
  const names = new Set((spec.containers ?? []).map(({ name }) => name));
  spec.initContainers?.forEach((container, index) => {
    const at = `${field}[${index}]`;
    validateContainer(found, at, container, context);
    validateRestart(found, at, container);
    if (container.name && names.has(container.name)) {
      found.duplicate(`${at}.name`, container.name);
    }
    names.add(container.name);
    validateHostPorts(found, field, [container]);
    if (container.restartPolicy === "Always") {
      validateHooks(found, at, container, spec.terminationGracePeriodSeconds);
      return;
    }
    for (const part of ["lifecycle", ...PROBES] as const) {
      if (container[part]) found.forbidden(`${at}.${part}`, NO_SIDECAR);
    }
  });
}

const NOT_EPHEMERAL: readonly (keyof EphemeralContainer)[] = [
  "ports",
  "resources",
  "resizePolicy",
  "restartPolicy",
  "restartPolicyRules",
  "livenessProbe",
  "readinessProbe",
  "startupProbe",
  "lifecycle",
];

export function validateEphemeralContainers(
  found: Findings,
  field: string,
  context: PodContext,
): void {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = context.spec;
  const others = new Set([...containers, ...initContainers].map(({ name }) => name));
  const names = new Set(others);
  ephemeralContainers.forEach((container, index) => {
    const at = `${field}[${index}]`;
    const words = "cannot be set for an Ephemeral Container";
    validateContainer(found, at, container, context);
    validateImagePadding(found, at, container);
    if (names.has(container.name)) found.duplicate(`${at}.name`, container.name);
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.has(target)) found.notFound(`${at}.targetContainerName`, target);
    for (const part of NOT_EPHEMERAL) {
      const value = container[part];
      const set = typeof value === "object" ? Object.keys(value).length > 0 : value !== undefined;
      if (set) found.forbidden(`${at}.${part}`, words);
    }
    container.volumeMounts?.forEach((mount, mountIndex) => {
      for (const part of ["subPath", "subPathExpr"] as const) {
        if (mount[part]) found.forbidden(`${at}.volumeMounts[${mountIndex}].${part}`, words);
      }
    });
  });
}

/** Only of pods: templates may hold an image that somebody replaces. */
export function validateImagePadding(found: Findings, at: string, container: AnyContainer): void {
  const { image = "" } = container;
  if (image === image.trim()) return;
  found.invalid(`${at}.image`, image, "must not have leading or trailing whitespace");
}

function validateContainer(
  found: Findings,
  at: string,
  container: AnyContainer,
  { spec, volumes, claims }: PodContext,
): void {
  if (!container.name) found.required(`${at}.name`);
  else found.dnsLabel(`${at}.name`, container.name);
  if (!container.image) found.required(`${at}.image`);
  const { terminationMessagePolicy: messages } = container;
  found.requiredOneOf(`${at}.terminationMessagePolicy`, messages, MESSAGE_POLICIES);
  validatePorts(found, `${at}.ports`, container.ports);
  validateEnv(found, `${at}.env`, container.env);
  validateEnvFrom(found, `${at}.envFrom`, container.envFrom);
  validateMounts(found, `${at}.volumeMounts`, container, volumes);
  validateDevices(found, `${at}.volumeDevices`, container, volumes);
  found.requiredOneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES);
  validateResourceRequirements(found, `${at}.resources`, container.resources, claims);
  validateResizePolicy(found, `${at}.resizePolicy`, container, spec.restartPolicy);
  const hostUsers = spec.hostUsers !== false;
  validateSecurityContext(found, `${at}.securityContext`, container.securityContext, hostUsers);
}

function validateHooks(
  found: Findings,
  at: string,
  container: Container,
  grace: number | undefined,
): void {
  validateLifecycle(found, `${at}.lifecycle`, container.lifecycle, grace);
  for (const probe of PROBES) validateProbe(found, at, probe, container[probe], grace);
}

const RULES_MAX = 20;
const EXIT_CODES_MAX = 255;

/** A container's own restart policy and the rules that refine it. */
function validateRestart(found: Findings, at: string, container: Container): void {
  const { restartPolicy, restartPolicyRules = [] } = container;
  if (restartPolicy !== undefined) {
    found.oneOf(`${at}.restartPolicy`, restartPolicy, ["Always", "Never", "OnFailure"]);
  } else if (restartPolicyRules.length) {
    found.required(`${at}.restartPolicy`, "must specify restartPolicy when restart rules are used");
  }
  const rules = `${at}.restartPolicyRules`;
  if (restartPolicyRules.length > RULES_MAX) {
    found.tooMany(rules, restartPolicyRules.length, RULES_MAX);
  }
  restartPolicyRules.forEach(({ action, exitCodes }, index) => {
    found.oneOf(`${rules}[${index}].action`, action ?? "", ["Restart"]);
    const codes = `${rules}[${index}].exitCodes`;
    if (!exitCodes) {
      found.required(codes, "must be specified");
      return;
    }
    found.oneOf(`${codes}.operator`, exitCodes.operator ?? "", ["In", "NotIn"]);
    const count = exitCodes.values?.length ?? 0;
    if (count > EXIT_CODES_MAX) found.tooMany(`${codes}.values`, count, EXIT_CODES_MAX);
  });
}

function validatePorts(found: Findings, field: string, ports: readonly ContainerPort[] = []): void {
  const names = new Set<string>();
  ports.forEach(({ name, containerPort, hostPort, protocol }, index) => {
    const at = `${field}[${index}]`;
    if (name) {
      const wrong = portName(name);
      found.invalidAll(`${at}.name`, name, wrong);
      if (!wrong.length && names.has(name)) found.duplicate(`${at}.name`, name);
      if (!wrong.length) names.add(name);
    }
    if (!containerPort) found.required(`${at}.containerPort`);
    else found.invalidAll(`${at}.containerPort`, containerPort, portNumber(containerPort));
    if (hostPort) found.invalidAll(`${at}.hostPort`, hostPort, portNumber(hostPort));
    found.requiredOneOf(`${at}.protocol`, protocol, PROTOCOLS);
  });
}

function validateHostPorts(found: Findings, field: string, containers: readonly Container[]): void {
  const taken = new Set<string>();
  containers.forEach(({ ports }, index) => {
    ports?.forEach(({ protocol, hostIP = "", hostPort }, portIndex) => {
      if (!hostPort) return;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) found.duplicate(`${field}[${index}].ports[${portIndex}].hostPort`, key);
      taken.add(key);
    });
  });
}

function validateMounts(
  found: Findings,
  field: string,
  container: AnyContainer,
  volumes: ReadonlyMap<string, Volume>,
): void {
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  container.volumeMounts?.forEach((mount, index) => {
    const at = `${field}[${index}]`;
    const { name = "", mountPath } = mount;
    if (!name) found.required(`${at}.name`);
    if (!volumes.has(name)) found.notFound(`${at}.name`, name);
    if (!mountPath) found.required(`${at}.mountPath`);
    if (paths.has(mountPath)) found.invalid(`${at}.mountPath`, mountPath, "must be unique");
    paths.add(mountPath);
    if (devices.some((device) => device.name === name)) {
      found.invalid(`${at}.name`, name, "must not already exist in volumeDevices");
    }
    if (devices.some(({ devicePath }) => devicePath === mountPath)) {
      const words = "must not already exist as a path in volumeDevices";
      found.invalid(`${at}.mountPath`, mountPath, words);
    }
    validateSubPath(found, field, at, mount, volumes.get(name));
    validatePropagation(found, field, mount, container);
  });
}

function validateSubPath(
  found: Findings,
  field: string,
  at: string,
  { subPath, subPathExpr }: VolumeMount,
  volume: Volume | undefined,
): void {
  if (volume?.image) {
    const words = "not allowed in image volume sources";
    if (subPath) found.invalid(`${at}.subPath`, subPath, words);
    if (subPathExpr) found.invalid(`${at}.subPathExpr`, subPathExpr, words);
  }
  if (subPath) validateDescendingPath(found, `${field}.subPath`, subPath);
  if (!subPathExpr) return;
  if (subPath) {
    const words = "subPathExpr and subPath are mutually exclusive";
    found.invalid(`${at}.subPathExpr`, subPathExpr, words);
  }
  validateDescendingPath(found, `${field}.subPathExpr`, subPathExpr);
}

function validatePropagation(
  found: Findings,
  field: string,
  { mountPropagation, readOnly, recursiveReadOnly }: VolumeMount,
  { securityContext }: AnyContainer,
): void {
  if (mountPropagation !== undefined) {
    const at = `${field}.mountPropagation`;
    found.oneOf(at, mountPropagation, ["Bidirectional", "HostToContainer", "None"]);
    if (mountPropagation === "Bidirectional" && !securityContext?.privileged) {
      const words = "Bidirectional mount propagation is available only to privileged containers";
      found.forbidden(at, words);
    }
  }
  if (recursiveReadOnly === undefined || recursiveReadOnly === "Disabled") return;
  const at = `${field}.recursiveReadOnly`;
  if (recursiveReadOnly !== "Enabled" && recursiveReadOnly !== "IfPossible") {
    found.oneOf(at, recursiveReadOnly, ["Disabled", "Enabled", "IfPossible"]);
    return;
  }
  if (!readOnly) found.forbidden(at, "may only be specified when readOnly is true");
  if (mountPropagation !== undefined && mountPropagation !== "None") {
    const words = "may only be specified when mountPropagation is None or not specified";
    found.forbidden(at, words);
  }
}

function validateDevices(
  found: Findings,
  field: string,
  container: AnyContainer,
  volumes: ReadonlyMap<string, Volume>,
): void {
  const names = new Set<string>();
  const paths = new Set<string>();
  const mounts = container.volumeMounts ?? [];
  container.volumeDevices?.forEach(({ name, devicePath }, index) => {
    const at = `${field}[${index}]`;
    const volume = volumes.get(name);
    if (!name) found.required(`${at}.name`);
    if (names.has(name)) found.invalid(`${at}.name`, name, "must be unique");
    if (!volume) found.notFound(`${at}.name`, name ?? "");
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      const words =
        "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
      found.invalid(`${at}.name`, name, words);
    }
    if (!devicePath) found.required(`${at}.devicePath`);
    else if (paths.has(devicePath)) found.invalid(`${at}.devicePath`, devicePath, "must be unique");
    if (hasBacksteps(devicePath ?? "")) {
      found.invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')");
    } else paths.add(devicePath);
    if (mounts.some((mount) => mount.name === name)) {
      found.invalid(`${at}.name`, name, "must not already exist in volumeMounts");
    }
    if (mounts.some(({ mountPath }) => mountPath === devicePath)) {
      const words = "must not already exist as a path in volumeMounts";
      found.invalid(`${at}.devicePath`, devicePath, words);
    }
    names.add(name);
  });
}

function validateResizePolicy(
  found: Findings,
  field: string,
  { resizePolicy = [] }: AnyContainer,
  podRestartPolicy: string | undefined,
): void {
  const names = new Set<string>();
  resizePolicy.forEach(({ resourceName, restartPolicy }, index) => {
    if (names.has(resourceName)) found.duplicate(`${field}[${index}]`, resourceName);
    names.add(resourceName);
    found.requiredOneOf(field, resourceName, ["cpu", "memory"]);
    found.requiredOneOf(field, restartPolicy, ["NotRequired", "RestartContainer"]);
    if (podRestartPolicy === "Never" && restartPolicy !== "NotRequired") {
      const words = "must be 'NotRequired' when `restartPolicy` is 'Never'";
      found.invalid(field, restartPolicy, words);
    }
  });
}
