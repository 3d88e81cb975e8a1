import type {
  AppArmorProfile,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from "../generated/types.ts";
import type { Findings } from "./findings.ts";
import { byteLength } from "./names.ts";
import { validateDescendingPath, validateId } from "./paths.ts";

const PROFILE_TYPES = ["Localhost", "RuntimeDefault", "Unconfined"];
const PATH_MAX = 4095;

function validateSeccomp(
  found: Findings,
  field: string,
  profile: SeccompProfile | undefined,
): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) found.required(`${field}.type`, "type is required when seccompProfile is set");
  else found.oneOf(`${field}.type`, type, PROFILE_TYPES);
  const at = `${field}.localhostProfile`;
  if (type === "Localhost") {
    if (localhostProfile === undefined) {
      found.required(at, "must be set when seccomp type is Localhost");
    } else validateDescendingPath(found, at, localhostProfile);
  } else if (localhostProfile !== undefined) {
    found.invalid(at, profile, "can only be set when seccomp type is Localhost");
  }
}

function validateAppArmor(
  found: Findings,
  field: string,
  profile: AppArmorProfile | undefined,
): void {
  if (!profile) return;
  const { type, localhostProfile } = profile;
  if (!type) found.required(`${field}.type`, "type is required when appArmorProfile is set");
  else found.oneOf(`${field}.type`, type, PROFILE_TYPES);
  const at = `${field}.localhostProfile`;
  if (type !== "Localhost") {
    if (localhostProfile === undefined || !PROFILE_TYPES.includes(type)) return;
    found.invalid(at, localhostProfile, "can only be set when AppArmor type is Localhost");
    return;
  }
  const name = localhostProfile?.trim();
  if (name !== localhostProfile) {
    found.invalid(at, localhostProfile, "must not be padded with whitespace");
  } else if (!name) found.required(at, "must be set when AppArmor type is Localhost");
  if (byteLength(localhostProfile ?? "") > PATH_MAX) found.tooLong(at, PATH_MAX);
}

/** Of a container. `hostUsers`: the pod shares the host's user namespace. */
export function validateSecurityContext(
  found: Findings,
  field: string,
  context: SecurityContext | undefined,
  hostUsers: boolean,
): void {
  if (!context) return;
  const { procMount } = context;
  validateId(found, `${field}.runAsUser`, context.runAsUser);
  validateId(found, `${field}.runAsGroup`, context.runAsGroup);
  if (procMount !== undefined) {
    found.oneOf(`${field}.procMount`, procMount, ["Default", "Unmasked"]);
    if (hostUsers && procMount === "Unmasked") {
      const words = "`hostUsers` must be false to use `Unmasked`";
      found.invalid(`${field}.procMount`, procMount, words);
    }
  }
  validateSeccomp(found, `${field}.seccompProfile`, context.seccompProfile);
  if (context.allowPrivilegeEscalation === false) {
    const words = "cannot set `allowPrivilegeEscalation` to false and";
    if (context.privileged) found.invalid(field, context, `${words} \`privileged\` to true`);
    for (const capability of context.capabilities?.add ?? []) {
      if (capability !== "CAP_SYS_ADMIN") continue;
      found.invalid(field, context, `${words} \`capabilities.Add\` CAP_SYS_ADMIN`);
    }
  }
  validateAppArmor(found, `${field}.appArmorProfile`, context.appArmorProfile);
}

const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const SYSCTL_MAX = 253;
const IPC_SYSCTLS = /^kernel\.(shm|msg|sem$)|^fs\.mqueue\./;

/** Of the pod as a whole, and what it shares with the host. */
export function validatePodSecurityContext(found: Findings, field: string, spec: PodSpec): void {
  const { securityContext: context, shareProcessNamespace, hostPID } = spec;
  if (!context) return;
  validateId(found, `${field}.fsGroup`, context.fsGroup);
  validateId(found, `${field}.runAsUser`, context.runAsUser);
  validateId(found, `${field}.runAsGroup`, context.runAsGroup);
  context.supplementalGroups?.forEach((group, index) => {
    validateId(found, `${field}.supplementalGroups[${index}]`, group);
  });
  if (shareProcessNamespace && hostPID) {
    const words = "ShareProcessNamespace and HostPID cannot both be enabled";
    found.invalid(`${field}.shareProcessNamespace`, true, words);
  }
  validateSysctls(found, `${field}.sysctls`, spec);
  const { fsGroupChangePolicy, supplementalGroupsPolicy, seLinuxChangePolicy } = context;
  if (fsGroupChangePolicy !== undefined) {
    const policies = ["Always", "OnRootMismatch"];
    found.oneOf(`${field}.fsGroupChangePolicy`, fsGroupChangePolicy, policies);
  }
  validateSeccomp(found, `${field}.seccompProfile`, context.seccompProfile);
  validateAppArmor(found, `${field}.appArmorProfile`, context.appArmorProfile);
  if (supplementalGroupsPolicy !== undefined) {
    const policies = ["Merge", "Strict"];
    found.oneOf(`${field}.supplementalGroupsPolicy`, supplementalGroupsPolicy, policies);
  }
  if (seLinuxChangePolicy !== undefined) {
    const policies = ["MountOption", "Recursive"];
    found.oneOf(`${field}.seLinuxChangePolicy`, seLinuxChangePolicy, policies);
  }
}

function validateSysctls(found: Findings, field: string, spec: PodSpec): void {
  const names = new Set<string>();
  spec.securityContext?.sysctls?.forEach(({ name = "" }, index) => {
    const at = `${field}[${index}].name`;
    if (!name) found.required(at);
    else if (byteLength(name) > SYSCTL_MAX || !SYSCTL.test(name)) {
      const rule = `must have at most ${SYSCTL_MAX} characters and match regex ${SYSCTL.source}`;
      found.invalid(at, name, rule);
    } else if (names.has(name)) found.duplicate(at, name);
    names.add(name);
    const dotted = name.replaceAll("/", ".");
    if (spec.hostNetwork && dotted.startsWith("net.")) {
      found.invalid(at, name, "may not be specified when 'hostNetwork' is true");
    } else if (spec.hostIPC && IPC_SYSCTLS.test(dotted)) {
      found.invalid(at, name, "may not be specified when 'hostIPC' is true");
    }
  });
}

/** With user namespaces of its own a pod cannot be in the host's other namespaces. */
export function validateHostUsers(found: Findings, field: string, spec: PodSpec): void {
  if (spec.hostUsers !== false) return;
  const words = "when `pod.Spec.HostUsers` is false";
  if (spec.hostNetwork) found.forbidden(`${field}.hostNetwork`, words);
  if (spec.hostPID) found.forbidden(`${field}.HostPID`, words);
  if (spec.hostIPC) found.forbidden(`${field}.HostIPC`, words);
}
