import type {
  EnvFromSource,
  EnvVar,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from "../generated/types.ts";
import { formatQuantity, parseQuantity } from "../quantity.ts";
import { quote } from "../quote.ts";
import type { Findings } from "./findings.ts";
import { configKey, dnsSubdomain, qualifiedName, relaxedEnvironmentName } from "./names.ts";
import { validateDescendingPath } from "./paths.ts";

const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
/** Fields of a pod that a file of a downward volume can hold. */
export const VOLUME_FIELDS = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
const RESOURCE_FIELDS = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const READABLE_FIELDS = new Set([...ENV_FIELDS, ...VOLUME_FIELDS]);

export function validateEnv(
  found: Findings,
  field: string,
  variables: readonly EnvVar[] = [],
): void {
  variables.forEach((variable, index) => {
    const at = `${field}[${index}]`;
    const { name } = variable;
    if (!name) found.required(`${at}.name`);
    else found.invalidAll(`${at}.name`, name, relaxedEnvironmentName(name));
    validateValueFrom(found, `${at}.valueFrom`, variable);
  });
}

function validateValueFrom(found: Findings, field: string, { value, valueFrom }: EnvVar): void {
  if (!valueFrom) return;
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  if (fieldRef) validateFieldRef(found, `${field}.fieldRef`, fieldRef, ENV_FIELDS);
  if (resourceFieldRef) {
    validateResourceFieldRef(found, `${field}.resourceFieldRef`, resourceFieldRef, false);
  }
  if (configMapKeyRef) validateKeyRef(found, `${field}.configMapKeyRef`, configMapKeyRef);
  if (secretKeyRef) validateKeyRef(found, `${field}.secretKeyRef`, secretKeyRef);
  if (fileKeyRef) {
    const at = `${field}.fileKeyRef`;
    if (!fileKeyRef.key) found.required(`${at}.key`);
    if (!fileKeyRef.volumeName) found.required(`${at}.volumeName`);
    if (!fileKeyRef.path) found.required(`${at}.path`);
    else validateDescendingPath(found, `${at}.path`, fileKeyRef.path);
  }
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef];
  const count = sources.filter(Boolean).length;
  if (count === 0) {
    const names = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
    found.invalid(field, "", `must specify one of: ${names}`);
  } else if (value) found.invalid(field, "", "may not be specified when `value` is not empty");
  else if (count > 1) {
    found.invalid(field, "", "may not have more than one field specified at a time");
  }
}

/** A field of the pod itself, for an environment variable or a downward volume. */
export function validateFieldRef(
  found: Findings,
  field: string,
  reference: ObjectFieldSelector,
  allowed: readonly string[],
): void {
  const { apiVersion, fieldPath } = reference;
  if (!apiVersion) {
    found.required(`${field}.apiVersion`);
    return;
  }
  if (!fieldPath) {
    found.required(`${field}.fieldPath`);
    return;
  }
  const subscript = /^(.*)\['(.*)'\]$/.exec(fieldPath);
  const path = subscript?.[1] ?? fieldPath;
  const wrong = fieldPathProblem(apiVersion, path, subscript !== null);
  if (wrong) {
    found.invalid(`${field}.fieldPath`, fieldPath, `error converting fieldPath: ${wrong}`);
  } else if (subscript) {
    const key = subscript[2] as string;
    const annotation = path === "metadata.annotations";
    found.invalidAll(field, key, qualifiedName(annotation ? key.toLowerCase() : key));
  } else found.oneOf(`${field}.fieldPath`, path, allowed);
}

function fieldPathProblem(version: string, path: string, subscript: boolean): string | undefined {
  if (version !== "v1") return `unsupported pod version: ${version}`;
  if (subscript) {
    const known = path === "metadata.annotations" || path === "metadata.labels";
    return known ? undefined : `field label does not support subscript: ${quote(path)}`;
  }
  return READABLE_FIELDS.has(path) ? undefined : `field label not supported: ${path}`;
}

const WHOLE_DIVISORS = ["", ..."kMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].map(
  (unit) => `1${unit}`,
);
const WHOLE_DIVISOR_WORDS = WHOLE_DIVISORS.join(", ");

/** A container's limit or request, for an environment variable or (`volume`) a file. */
export function validateResourceFieldRef(
  found: Findings,
  field: string,
  reference: ResourceFieldSelector,
  volume: boolean,
): void {
  const { containerName, resource, divisor } = reference;
  const huge = /^(requests|limits)\.hugepages-/.test(resource ?? "");
  if (volume && !containerName) found.required(`${field}.containerName`);
  else if (!resource) found.required(`${field}.resource`);
  else if (!huge) found.oneOf(`${field}.resource`, resource, RESOURCE_FIELDS);
  const unit = divisor === undefined ? undefined : parseQuantity(divisor);
  if (!resource || !unit || unit.nanos === 0n) return;
  const text = formatQuantity(unit);
  const kind = huge ? "hugepages" : resource.slice(resource.indexOf(".") + 1);
  if (kind === "cpu") {
    if (text === "1m" || text === "1") return;
    const words = "only divisor's values 1m and 1 are supported with the cpu resource";
    found.invalid(`${field}.divisor`, resource, words);
  } else if (!WHOLE_DIVISORS.includes(text)) {
    const name = kind === "ephemeral-storage" ? "local ephemeral storage" : kind;
    const words = `only divisor's values ${WHOLE_DIVISOR_WORDS} are supported with the ${name}`;
    found.invalid(`${field}.divisor`, resource, `${words} resource`);
  }
}

/** A key of a ConfigMap or Secret. */
function validateKeyRef(
  found: Findings,
  field: string,
  { name, key }: { readonly name?: string; readonly key?: string },
): void {
  found.invalidAll(`${field}.name`, name ?? "", dnsSubdomain(name ?? ""));
  if (!key) found.required(`${field}.key`);
  else found.invalidAll(`${field}.key`, key, configKey(key));
}

export function validateEnvFrom(
  found: Findings,
  field: string,
  sources: readonly EnvFromSource[] = [],
): void {
  sources.forEach(({ prefix, configMapRef, secretRef }, index) => {
    const at = `${field}[${index}]`;
    if (prefix) found.invalidAll(`${at}.prefix`, prefix, relaxedEnvironmentName(prefix));
    for (const [part, reference] of Object.entries({ configMapRef, secretRef })) {
      if (!reference) continue;
      if (!reference.name) found.required(`${at}.${part}.name`);
      else found.dnsSubdomain(`${at}.${part}.name`, reference.name);
    }
    if (!configMapRef && !secretRef) {
      found.invalid(field, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (configMapRef && secretRef) {
      found.invalid(field, "", "may not have more than one field specified at a time");
    }
  });
}
