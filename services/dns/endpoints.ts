import type { Snapshot } from "../../shared/actor/controller.ts";
import type { EndpointSlice, Service } from "../../shared/api/generated/types.ts";

/** A ready endpoint of a headless Service. */
export interface HeadlessEndpoint {
  readonly address: string;
  /** The endpoint's own, else its address with dashes. */
  readonly hostname: string;
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly port: number;
  }[];
}

/** The ready endpoints of a Service, each address with a hostname once, in order of address. */
export function headlessEndpoints(service: Service, at: Snapshot): HeadlessEndpoint[] {
  const { namespace, name } = service.metadata;
  const slices = at.labelled<EndpointSlice>("endpointslices.discovery.k8s.io", namespace, {
    "kubernetes.io/service-name": name,
  });
  const found = new Map<string, HeadlessEndpoint>();
  for (const slice of slices) {
    const ports = (slice.ports ?? []).flatMap((port) =>
      port.name && port.port
        ? [{ name: port.name, protocol: port.protocol ?? "TCP", port: port.port }]
        : [],
    );
    for (const { addresses, conditions, hostname } of slice.endpoints ?? []) {
      const address = addresses[0];
      if (address === undefined || conditions?.ready === false) continue;
      const label = hostname?.toLowerCase() || address.replaceAll(/[.:]/g, "-");
      const key = `${label} ${address}`;
      const known = found.get(key)?.ports ?? [];
      found.set(key, { address, hostname: label, ports: [...known, ...ports] });
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
