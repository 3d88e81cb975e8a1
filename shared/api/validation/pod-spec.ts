import type { PodDNSConfig, PodSpec, PodTemplateSpec } from "../generated/types.ts";
import { validateAddress } from "./addresses.ts";
import { validateAffinity, validateTolerations, validateTopologySpread } from "./affinity.ts";
import {
  type PodContext,
  validateContainers,
  validateEphemeralContainers,
  validateInitContainers,
} from "./containers.ts";
import { type Findings, INT32_MAX } from "./findings.ts";
import { validateAnnotations, validateLabels } from "./metadata.ts";
import { dnsSubdomainWithUnderscore, qualifiedName } from "./names.ts";
import { validateResourceRequirements } from "./resources.ts";
import { validateHostUsers, validatePodSecurityContext } from "./security.ts";
import { validateVolumes } from "./volumes.ts";

const RESTART_POLICIES = ["Always", "OnFailure", "Never"];
const DNS_POLICIES = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/** `podName` is given for a pod, not for the template of one. */
export function validatePodSpec(
  found: Findings,
  field: string,
  spec: PodSpec,
  podName?: string,
): void {
  if (spec.terminationGracePeriodSeconds === undefined) {
    found.required(`${field}.terminationGracePeriodSeconds`);
  }
  const volumes = validateVolumes(found, `${field}.volumes`, spec.volumes, podName);
  const claims = (spec.resourceClaims ?? []).map(({ name }) => name).filter(Boolean);
  const context: PodContext = { spec, volumes, claims };
  validateResourceClaims(found, `${field}.resourceClaims`, spec);
  validateContainers(found, `${field}.containers`, context);
  validateInitContainers(found, `${field}.initContainers`, context);
  validateEphemeralContainers(found, `${field}.ephemeralContainers`, context);
  validatePodResources(found, `${field}.resources`, spec);
  validateHostNetworkPorts(found, `${field}.containers`, spec, podName !== undefined);
  found.requiredOneOf(`${field}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  found.requiredOneOf(`${field}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES);
  validateLabels(found, `${field}.nodeSelector`, spec.nodeSelector);
  validatePodSecurityContext(found, `${field}.securityContext`, spec);
  validateAffinity(found, `${field}.affinity`, spec.affinity);
  validateDns(found, `${field}.dnsConfig`, spec.dnsConfig, spec.dnsPolicy);
  validateGates(found, field, spec);
  validateTopologySpread(
    found,
    `${field}.topologySpreadConstraints`,
    spec.topologySpreadConstraints,
  );
  validateHostUsers(found, field, spec);
  validateNames(found, field, spec);
}

function validateNames(found: Findings, field: string, spec: PodSpec): void {
  const { serviceAccountName, nodeName, hostname, subdomain } = spec;
  if (serviceAccountName) found.dnsSubdomain(`${field}.serviceAccountName`, serviceAccountName);
  if (nodeName) found.dnsSubdomain(`${field}.nodeName`, nodeName);
  found.range(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, INT32_MAX);
  if (hostname) found.dnsLabel(`${field}.hostname`, hostname);
  if (subdomain) found.dnsLabel(`${field}.subdomain`, subdomain);
  if (spec.hostnameOverride) {
    found.dnsSubdomain(`${field}.hostnameOverride`, spec.hostnameOverride);
  }
  validateTolerations(found, `${field}.tolerations`, spec.tolerations);
  spec.hostAliases?.forEach(({ ip = "", hostnames = [] }, index) => {
    const at = `${field}.hostAliases[${index}]`;
    validateAddress(found, `${at}.ip`, ip);
    hostnames.forEach((name, nameIndex) => {
      found.dnsSubdomain(`${at}.hostnames[${nameIndex}]`, name);
    });
  });
  if (spec.priorityClassName) {
    found.dnsSubdomain(`${field}.priorityClassName`, spec.priorityClassName);
  }
  if (spec.runtimeClassName !== undefined) {
    found.dnsSubdomain(`${field}.runtimeClassName`, spec.runtimeClassName);
  }
  if (spec.preemptionPolicy !== undefined) {
    const policies = ["PreemptLowerPriority", "Never"];
    found.requiredOneOf(`${field}.preemptionPolicy`, spec.preemptionPolicy, policies);
  }
  if (spec.overhead) {
    validateResourceRequirements(found, `${field}.overhead`, { limits: spec.overhead }, []);
  }
  validateOs(found, field, spec);
}

function validateResourceClaims(found: Findings, field: string, spec: PodSpec): void {
  const names = new Set<string>();
  spec.resourceClaims?.forEach((claim, index) => {
    const at = `${field}[${index}]`;
    if (!claim.name) found.required(`${at}.name`);
    else if (names.has(claim.name)) found.duplicate(`${at}.name`, claim.name);
    else found.dnsLabel(`${at}.name`, claim.name);
    names.add(claim.name);
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName && resourceClaimTemplateName) {
      const words = "at most one of `resourceClaimName` or `resourceClaimTemplateName`";
      found.invalid(at, claim, `${words} may be specified`);
    } else if (!resourceClaimName && !resourceClaimTemplateName) {
      const words = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
      found.invalid(at, claim, words);
    }
    if (resourceClaimName) found.dnsSubdomain(`${at}.resourceClaimName`, resourceClaimName);
    if (resourceClaimTemplateName) {
      found.dnsSubdomain(`${at}.resourceClaimTemplateName`, resourceClaimTemplateName);
    }
  });
}

function validatePodResources(found: Findings, field: string, { resources }: PodSpec): void {
  if (!resources) return;
  const { claims, ...others } = resources;
  if (claims) {
    found.forbidden(`${field}.claims`, "claims cannot be set for Resources at pod-level");
  }
  validateResourceRequirements(found, field, others, [], "pod");
}

/** On the host's network a container's port is the host's. A template may leave that open. */
function validateHostNetworkPorts(
  found: Findings,
  field: string,
  spec: PodSpec,
  isPod: boolean,
): void {
  if (!spec.hostNetwork) return;
  spec.containers?.forEach(({ ports }, index) => {
    ports?.forEach(({ hostPort = 0, containerPort }, portIndex) => {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) return;
      const at = `${field}[${index}].ports[${portIndex}].hostPort`;
      found.invalid(at, hostPort, "must match `containerPort` when `hostNetwork` is true");
    });
  });
}

const NAMESERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCH_CHARACTERS_MAX = 2048;

function validateDns(
  found: Findings,
  field: string,
  config: PodDNSConfig | undefined,
  policy: string | undefined,
): void {
  const { nameservers = [], searches = [], options = [] } = config ?? {};
  if (policy === "None") {
    const when = "when `dnsPolicy` is None";
    if (!config) {
      found.required(field, `must provide \`dnsConfig\` ${when}`);
      return;
    }
    if (!nameservers.length) {
      found.required(`${field}.nameservers`, `must provide at least one DNS nameserver ${when}`);
      return;
    }
  }
  if (nameservers.length > NAMESERVERS_MAX) {
    const words = `must not have more than ${NAMESERVERS_MAX} nameservers`;
    found.invalid(`${field}.nameservers`, nameservers, words);
  }
  nameservers.forEach((address, index) => {
    validateAddress(found, `${field}.nameservers[${index}]`, address);
  });
  if (searches.length > SEARCHES_MAX) {
    const words = `must not have more than ${SEARCHES_MAX} search paths`;
    found.invalid(`${field}.searches`, searches, words);
  }
  if (searches.join(" ").length > SEARCH_CHARACTERS_MAX) {
    const words = `must not have more than ${SEARCH_CHARACTERS_MAX} characters`;
    const list = "(including spaces) in the search list";
    found.invalid(`${field}.searches`, searches, `${words} ${list}`);
  }
  searches.forEach((search, index) => {
    if (search === ".") return;
    const name = search.replace(/\.$/, "");
    found.invalidAll(`${field}.searches[${index}]`, name, dnsSubdomainWithUnderscore(name));
  });
  options.forEach(({ name }, index) => {
    if (!name) found.required(`${field}.options[${index}]`, "must not be empty");
  });
}

function validateGates(found: Findings, field: string, spec: PodSpec): void {
  spec.readinessGates?.forEach(({ conditionType }, index) => {
    const at = `${field}.readinessGates[${index}].conditionType`;
    found.qualifiedName(at, conditionType ?? "");
  });
  const names = new Set<string>();
  spec.schedulingGates?.forEach(({ name }, index) => {
    const at = `${field}.schedulingGates[${index}]`;
    found.invalidAll(at, name, qualifiedName(name ?? ""));
    if (names.has(name)) found.duplicate(at, name);
    names.add(name);
  });
}

/** Settings of a pod's and of a container's security context that Windows does not have. */
const LINUX_ONLY = [
  "appArmorProfile",
  "seLinuxOptions",
  "seccompProfile",
  "capabilities",
  "readOnlyRootFilesystem",
  "privileged",
  "allowPrivilegeEscalation",
  "procMount",
  "fsGroup",
  "fsGroupChangePolicy",
  "sysctls",
  "runAsUser",
  "runAsGroup",
  "supplementalGroups",
  "supplementalGroupsPolicy",
  "seLinuxChangePolicy",
];

function validateOs(found: Findings, field: string, spec: PodSpec): void {
  if (!spec.os) return;
  const { name } = spec.os;
  if (!name) {
    found.required(`${field}.os.name`, "cannot be empty");
    return;
  }
  found.oneOf(`${field}.os`, name, ["linux", "windows"]);
  const foreign = name === "windows" ? LINUX_ONLY : name === "linux" ? ["windowsOptions"] : [];
  const words =
    name === "windows"
      ? "cannot be set for a windows pod"
      : "windows options cannot be set for a linux pod";
  const check = (at: string, context: object | undefined): void => {
    for (const setting of foreign) {
      const set = (context as Record<string, unknown> | undefined)?.[setting] !== undefined;
      if (set) found.forbidden(`${at}.securityContext.${setting}`, words);
    }
  };
  check(field, spec.securityContext);
  for (const list of ["initContainers", "containers", "ephemeralContainers"] as const) {
    spec[list]?.forEach((container, index) => {
      check(`${field}.${list}[${index}]`, container.securityContext);
    });
  }
  if (name !== "windows") return;
  for (const setting of ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"] as const) {
    if (spec[setting] !== undefined) found.forbidden(`${field}.${setting}`, words);
  }
}

export function validatePodTemplate(
  found: Findings,
  field: string,
  template: PodTemplateSpec,
): void {
  const { metadata, spec = { containers: [] } } = template;
  validateLabels(found, `${field}.labels`, metadata?.labels);
  validateAnnotations(found, `${field}.annotations`, metadata?.annotations);
  validatePodAnnotations(found, `${field}.annotations`, metadata?.annotations, spec);
  validatePodSpec(found, `${field}.spec`, spec);
  if (spec.ephemeralContainers?.length) {
    const words = "ephemeral containers not allowed in pod template";
    found.forbidden(`${field}.spec.ephemeralContainers`, words);
  }
}

export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** Annotations that mean something for pods. */
export function validatePodAnnotations(
  found: Findings,
  field: string,
  annotations: Readonly<Record<string, string>> | undefined,
  spec: PodSpec,
): void {
  const mirror = annotations?.[MIRROR_ANNOTATION];
  if (mirror !== undefined && !spec.nodeName) {
    const words = "must set spec.nodeName if mirror pod annotation is set";
    found.invalid(`${field}[${MIRROR_ANNOTATION}]`, mirror, words);
  }
  const cost = annotations?.[DELETION_COST];
  if (cost === undefined) return;
  const whole = /^(0|-?[1-9]\d*)$/.test(cost) && Math.abs(Number(cost)) <= INT32_MAX;
  if (!whole) found.invalid(`${field}[${DELETION_COST}]`, cost, "must be a 32bit integer");
}
