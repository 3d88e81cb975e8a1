import type { EndpointSlice, Endpoints, Service } from "../../../shared/api/generated/types.ts";
import {
  AGE,
  age,
  column,
  firstOf,
  formatLabels,
  NAME,
  NONE,
  type Printer,
  wide,
} from "./column.ts";

const SHOWN_MAX = 3;
const UNSET = "<unset>";

export const services: Printer<Service> = {
  columns: [
    NAME,
    column("Type", "string", "How the service is reached."),
    column("Cluster-IP", "string", "The service's address inside of the cluster."),
    column("External-IP", "string", "Addresses outside of the cluster that lead to the service."),
    column("Port(s)", "string", "The service's ports, with their node ports."),
    AGE,
    wide("Selector", "string", "Labels of the pods that the service leads to."),
  ],
  cells(service, now) {
    const { spec } = service;
    return [
      service.metadata.name,
      spec?.type ?? "",
      spec?.clusterIPs?.[0] ?? NONE,
      externalAddresses(service),
      (spec?.ports ?? []).map(printPort).join(",") || NONE,
      age(service, now),
      formatLabels(spec?.selector),
    ];
  },
};

type Port = NonNullable<NonNullable<Service["spec"]>["ports"]>[number];

function printPort({ port, nodePort, protocol }: Port): string {
  return nodePort ? `${port}:${nodePort}/${protocol ?? "TCP"}` : `${port}/${protocol ?? "TCP"}`;
}

function externalAddresses({ spec, status }: Service): string {
  const own = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ClusterIP":
    case "NodePort":
      return own.join(",") || NONE;
    case "LoadBalancer": {
      const ingress = status?.loadBalancer?.ingress ?? [];
      const found = new Set(
        ingress.map(({ ip, hostname }) => ip || hostname || "").filter(Boolean),
      );
      return [...[...found].sort(), ...own].join(",") || "<pending>";
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return "<unknown>";
  }
}

export const endpoints: Printer<Endpoints> = {
  columns: [NAME, column("Endpoints", "string", "Addresses and ports behind the service."), AGE],
  cells(object, now) {
    const found: string[] = [];
    for (const { addresses = [], ports = [] } of object.subsets ?? []) {
      if (ports.length === 0) found.push(...addresses.map(({ ip }) => ip));
      for (const { port } of ports) found.push(...addresses.map(({ ip }) => hostPort(ip, port)));
    }
    return [object.metadata.name, firstOf(found, SHOWN_MAX, NONE), age(object, now)];
  },
};

function hostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const endpointSlices: Printer<EndpointSlice> = {
  columns: [
    NAME,
    column("AddressType", "string", "Whether the addresses are IPv4, IPv6 or names."),
    column("Ports", "string", "Ports of all endpoints of the slice."),
    column("Endpoints", "string", "Addresses of the endpoints of the slice."),
    AGE,
  ],
  cells(slice, now) {
    const ports = (slice.ports ?? []).map(({ port, name }) => String(port ?? name ?? "*"));
    const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
    return [
      slice.metadata.name,
      slice.addressType,
      firstOf(ports, SHOWN_MAX, UNSET),
      firstOf(addresses, SHOWN_MAX, UNSET),
      age(slice, now),
    ];
  },
};
