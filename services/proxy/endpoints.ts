import type { Snapshot } from "../../shared/actor/controller.ts";
import type { Endpoint, EndpointSlice } from "../../shared/api/generated/types.ts";

/** One place that a Service's port leads to. */
export interface Destination {
  readonly address: string;
  readonly port: number;
}

/** An endpoint of one service port, as its EndpointSlice states it. */
interface Candidate extends Destination {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly local: boolean;
  readonly nodes: readonly string[];
  readonly zones: readonly string[];
}

/** Where traffic may go. */
export interface Destinations {
  /** For the traffic policy Cluster. */
  readonly cluster: readonly Destination[];
  /** For the traffic policy Local. */
  readonly local: readonly Destination[];
}

/** The node that decides; both undefined on a host that is not a node itself. */
export interface Standpoint {
  readonly node: string | undefined;
  readonly zone: string | undefined;
}

export type Slices = ReadonlyMap<string, readonly EndpointSlice[]>;

const SERVICE_NAME = "kubernetes.io/service-name";

/** Slices by the Service that they belong to (`namespace/name`). */
export function slicesByService(at: Snapshot): Slices {
  const slices = new Map<string, EndpointSlice[]>();
  for (const slice of at.list<EndpointSlice>("endpointslices.discovery.k8s.io")) {
    const service = slice.metadata.labels?.[SERVICE_NAME];
    if (!service) continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const known = slices.get(key);
    if (known === undefined) slices.set(key, [slice]);
    else known.push(slice);
  }
  return slices;
}

/**
 * The endpoints of a service port that get traffic: those that are ready (and, when all of them
 * have hints, those hinted for this node or zone), else those that still serve while they
 * terminate. Sorted, so that the same endpoints give the same rules.
 */
export function destinationsOf(
  slices: readonly EndpointSlice[],
  addressType: "IPv4" | "IPv6",
  portName: string,
  protocol: string,
  standpoint: Standpoint,
): Destinations {
  const candidates = candidatesOf(slices, addressType, portName, protocol, standpoint.node);
  const near = hintFilter(candidates, standpoint);
  return {
    cluster: usable(candidates, near),
    local: usable(
      candidates.filter((candidate) => candidate.local),
      () => true,
    ),
  };
}

function usable(
  candidates: readonly Candidate[],
  near: (candidate: Candidate) => boolean,
): Destination[] {
  const ready = candidates.filter((candidate) => candidate.ready);
  const chosen =
    ready.length > 0
      ? ready.filter(near)
      : candidates.filter((candidate) => candidate.serving && candidate.terminating);
  return chosen.map(({ address, port }) => ({ address, port }));
}

function candidatesOf(
  slices: readonly EndpointSlice[],
  addressType: "IPv4" | "IPv6",
  portName: string,
  protocol: string,
  node: string | undefined,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue;
    const port = (slice.ports ?? []).find(
      (one) => (one.name ?? "") === portName && (one.protocol ?? "TCP") === protocol,
    )?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const candidate = candidateOf(endpoint, port, node);
      if (candidate === undefined) continue;
      const key = `${candidate.address} ${port}`;
      const known = found.get(key);
      // An endpoint that moves between slices may be in both: the better news counts.
      if (known === undefined || (candidate.ready && !known.ready)) found.set(key, candidate);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

function candidateOf(
  endpoint: Endpoint,
  port: number,
  node: string | undefined,
): Candidate | undefined {
  const address = endpoint.addresses[0];
  if (address === undefined) return undefined;
  const { conditions, hints } = endpoint;
  // An absent condition is unknown, and unknown counts as ready.
  const ready = conditions?.ready ?? true;
  return {
    address,
    port,
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
    // A host that is not a node has nothing of its own: for it, Local means what Cluster means.
    local: node === undefined || endpoint.nodeName === node,
    nodes: (hints?.forNodes ?? []).map((hint) => hint.name),
    zones: (hints?.forZones ?? []).map((hint) => hint.name),
  };
}

/** Hints count only when every ready endpoint has one and at least one is for this place. */
function hintFilter(
  candidates: readonly Candidate[],
  { node, zone }: Standpoint,
): (candidate: Candidate) => boolean {
  const ready = candidates.filter((candidate) => candidate.ready);
  const hinted = (pick: (candidate: Candidate) => readonly string[], place: string | undefined) =>
    place !== undefined &&
    ready.every((candidate) => pick(candidate).length > 0) &&
    ready.some((candidate) => pick(candidate).includes(place));
  if (node !== undefined && hinted((candidate) => candidate.nodes, node)) {
    return (candidate) => candidate.nodes.includes(node);
  }
  if (zone !== undefined && hinted((candidate) => candidate.zones, zone)) {
    return (candidate) => candidate.zones.includes(zone);
  }
  return () => true;
}
