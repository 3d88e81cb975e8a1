import type { ResourceRequirements } from "../generated/types.ts";
import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from "../quantity.ts";
import { type Findings, NOT_NEGATIVE } from "./findings.ts";
import { qualifiedName } from "./names.ts";

type ResourceList = Readonly<Record<string, string | number>>;

const CONTAINER_RESOURCES = ["cpu", "memory", "ephemeral-storage"];
const POD_LEVEL_RESOURCES = ["cpu", "hugepages-", "memory"];
const COUNTED_RESOURCES = [
  "pods",
  "resourcequotas",
  "services",
  "replicationcontrollers",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
];
const STANDARD_RESOURCES = new Set([
  ...CONTAINER_RESOURCES,
  ...CONTAINER_RESOURCES.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...COUNTED_RESOURCES,
  "storage",
  "requests.storage",
]);

const HUGE_PAGES = "hugepages-";

function isHugePage(name: string): boolean {
  return name.startsWith(HUGE_PAGES);
}

/** Without a prefix, or of kubernetes.io. */
function isNative(name: string): boolean {
  return !name.includes("/") || name.includes("kubernetes.io/");
}

/** A resource of a device plugin or the like: `example.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  if (isNative(name) || name.startsWith("requests.")) return false;
  return qualifiedName(`requests.${name}`).length === 0;
}

/** More of it may be asked for in limits than there is. */
function isOvercommitAllowed(name: string): boolean {
  return isNative(name) && !isHugePage(name);
}

function validateName(found: Findings, field: string, name: string): boolean {
  const wrong = qualifiedName(name);
  found.invalidAll(field, name, wrong);
  if (wrong.length) return false;
  if (name.includes("/") || STANDARD_RESOURCES.has(name) || isHugePage(name)) return true;
  if (name.startsWith("requests.hugepages-")) return true;
  found.invalid(field, name, "must be a standard resource type or fully qualified");
  return false;
}

function validateContainerResource(found: Findings, field: string, name: string): void {
  validateName(found, field, name);
  if (!name.includes("/")) {
    if (CONTAINER_RESOURCES.includes(name) || isHugePage(name)) return;
    found.invalid(field, name, "must be a standard resource for containers");
  } else if (!isNative(name) && !isExtendedResource(name)) {
    found.invalid(field, name, "doesn't follow extended resource name standard");
  }
}

function validatePodResource(found: Findings, field: string, name: string): void {
  if (!validateName(found, field, name)) return;
  if (name === "cpu" || name === "memory" || isHugePage(name)) return;
  found.oneOf(field, name, POD_LEVEL_RESOURCES);
}

/** Not negative, and whole where the resource is counted. */
export function validateResourceQuantity(
  found: Findings,
  field: string,
  name: string,
  text: string | number,
): void {
  const quantity = parseQuantity(text);
  if (quantity.nanos < 0n) found.invalid(field, String(text), NOT_NEGATIVE);
  const counted = COUNTED_RESOURCES.includes(name) || isExtendedResource(name);
  if (counted && quantity.nanos % 1_000_000_000n !== 0n) {
    found.invalid(field, String(text), "must be an integer");
  }
}

export function validateResourceList(
  found: Findings,
  field: (name: string) => string,
  list: ResourceList | undefined,
): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    validateResourceQuantity(found, field(name), name, text);
  }
}

function validateHugePage(found: Findings, field: string, name: string, quantity: Quantity): void {
  const size = parseSize(name.slice(HUGE_PAGES.length));
  if (size && quantity.nanos > 0n && quantity.nanos % size.nanos === 0n) return;
  const text = formatQuantity(quantity);
  found.invalid(field, text, `${text} is not positive integer multiple of ${name}`);
}

function parseSize(text: string): Quantity | undefined {
  try {
    const size = parseQuantity(text);
    return size.nanos > 0n ? size : undefined;
  } catch {
    return undefined;
  }
}

/** `level`: of a container, or of the pod as a whole. */
export function validateResourceRequirements(
  found: Findings,
  field: string,
  resources: ResourceRequirements | undefined,
  claimNames: readonly string[],
  level: "container" | "pod" = "container",
): void {
  if (!resources) return;
  const { limits = {}, requests = {}, claims } = resources;
  const nameRule = level === "pod" ? validatePodResource : validateContainerResource;
  let hugePages = false;
  const validateOne = (part: string, name: string, text: string | number): void => {
    const at = `${field}.${part}[${name}]`;
    nameRule(found, at, name);
    validateResourceQuantity(found, at, name, text);
    if (part === "requests") validateRequest(found, field, name, text, limits);
    if (!isHugePage(name)) return;
    hugePages = true;
    validateHugePage(found, at, name, parseQuantity(text));
  };
  for (const name in limits) validateOne("limits", name, limits[name] as string);
  for (const name in requests) validateOne("requests", name, requests[name] as string);
  const has = (name: string): boolean =>
    Object.hasOwn(limits, name) || Object.hasOwn(requests, name);
  if (hugePages && !has("cpu") && !has("memory")) {
    found.forbidden(field, "HugePages require cpu or memory");
  }
  if (claims?.length) validateClaims(found, `${field}.claims`, claims, claimNames);
}

function validateRequest(
  found: Findings,
  field: string,
  name: string,
  text: string | number,
  limits: ResourceList,
): void {
  const limit = limits[name];
  const overcommit = isOvercommitAllowed(name);
  if (limit === undefined) {
    if (overcommit) return;
    const words = "Limit must be set for non overcommitable resources";
    found.required(`${field}.limits`, words);
    return;
  }
  const order = compareQuantities(parseQuantity(text), parseQuantity(limit));
  if (order !== 0 && !overcommit) {
    const words = `must be equal to ${name} limit of ${limit}`;
    found.invalid(`${field}.requests`, String(text), words);
  } else if (order > 0) {
    const words = `must be less than or equal to ${name} limit of ${limit}`;
    found.invalid(`${field}.requests`, String(text), words);
  }
}

function validateClaims(
  found: Findings,
  field: string,
  claims: NonNullable<ResourceRequirements["claims"]>,
  known: readonly string[],
): void {
  const seen = new Set<string>();
  claims.forEach(({ name, request }, index) => {
    const at = `${field}[${index}]`;
    if (!name) {
      found.required(at);
      return;
    }
    if (request) found.dnsLabel(`${at}.request`, request);
    const key = request ? `${name}/${request}` : name;
    const overlaps = !request && [...seen].some((other) => other.startsWith(`${name}/`));
    if (seen.has(name) || seen.has(key) || overlaps) found.duplicate(at, key);
    seen.add(key);
    if (known.includes(name)) return;
    const which = known.length ? `: ${[...known].sort().join(", ")}` : " which is empty";
    found.add([
      {
        type: "FieldValueNotFound",
        field: at,
        badValue: name,
        detail: `must be one of the names in pod.spec.resourceClaims${which}`,
      },
    ]);
  });
}
