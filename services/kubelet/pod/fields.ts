import type {
  Container,
  ObjectFieldSelector,
  Pod,
  ResourceFieldSelector,
} from "../../../shared/api/generated/types.ts";
import { parseQuantity, quantityToNumber, ZERO_QUANTITY } from "../../../shared/api/quantity.ts";

/** The parts of the node that a pod can ask for. */
export interface NodeFacts {
  readonly name: string;
  readonly hostIPs: readonly string[];
  /** What a container without a limit may use. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** The pod's addresses, once it has a sandbox. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podIPs: readonly string[];
  readonly node: NodeFacts;
}

/** A field of the pod as text, for variables and downward volumes. @throws Error: no such field. */
export function podField({ pod, podIPs, node }: PodFacts, selector: ObjectFieldSelector): string {
  const path = selector.fieldPath;
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed) return metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] as string] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.labels":
      return formatMap(metadata.labels);
    case "metadata.annotations":
      return formatMap(metadata.annotations);
    case "spec.nodeName":
      return spec?.nodeName ?? node.name;
    case "spec.serviceAccountName":
      return spec?.serviceAccountName ?? "";
    case "status.hostIP":
      return node.hostIPs[0] ?? "";
    case "status.hostIPs":
      return node.hostIPs.join(",");
    case "status.podIP":
      return podIPs[0] ?? "";
    case "status.podIPs":
      return podIPs.join(",");
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/** `key="value"` lines in key order, with the value quoted as Go does. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

/**
 * A container's request or limit in units of the divisor, rounded up. A limit that is not set is
 * what the node has. @throws Error: no such container or resource.
 */
export function resourceField(
  pod: Pod,
  container: Container | undefined,
  selector: ResourceFieldSelector,
  node: NodeFacts,
): string {
  const named = selector.containerName
    ? [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find(
        (one) => one.name === selector.containerName,
      )
    : container;
  if (!named) throw new Error(`container ${selector.containerName} not found`);
  const match = /^(requests|limits)\.(.+)$/.exec(selector.resource);
  if (!match) throw new Error(`unsupported container resource : ${selector.resource}`);
  const [part, name] = [match[1] as "requests" | "limits", match[2] as string];
  const given = named.resources?.[part]?.[name];
  const fallback = part === "limits" ? node.allocatable[name] : undefined;
  const value = given ?? fallback;
  const quantity = value === undefined ? ZERO_QUANTITY : parseQuantity(value);
  const divisor = parseQuantity(selector.divisor ?? "1");
  const unit = divisor.nanos === 0n ? 1_000_000_000n : divisor.nanos;
  const units = (quantity.nanos + unit - 1n) / unit;
  return String(units);
}

/** A resource amount in whole units, rounded; 0 when there is none. */
export function amountOf(
  container: Container,
  part: "requests" | "limits",
  resource: string,
): number {
  const value = container.resources?.[part]?.[resource];
  return value === undefined ? 0 : quantityToNumber(parseQuantity(value));
}
