import type { Destination } from "./endpoints.ts";
import type { ServicePortFacts } from "./services.ts";

/**
 * Connections that the kernel would go on sending to where they went before. Only UDP: it has no
 * end of connection, and a client that keeps asking keeps its entry alive.
 */
export interface Flow {
  readonly source: string;
  readonly sourcePort: string;
  readonly destination: string;
  readonly destinationPort: string;
  /** Who answers: the endpoint that the flow was translated to. */
  readonly answerer: string;
  readonly answererPort: string;
}

const FIELD = /\b(src|dst|sport|dport)=(\S+)/g;

/** Reads the output of `conntrack -L -p udp`: first the original direction, then the reply's. */
export function parseFlows(listing: string): Flow[] {
  const flows: Flow[] = [];
  for (const line of listing.split("\n")) {
    const values = [...line.matchAll(FIELD)].map((match) => match[2] ?? "");
    if (values.length !== 8) continue;
    const [source, destination, sourcePort, destinationPort, answerer, , answererPort] = values;
    flows.push({
      source: source!,
      destination: destination!,
      sourcePort: sourcePort!,
      destinationPort: destinationPort!,
      answerer: answerer!,
      answererPort: answererPort!,
    });
  }
  return flows;
}

/** Flows to a UDP port of a Service that end at what is no endpoint of it. */
export function staleFlows(flows: readonly Flow[], ports: readonly ServicePortFacts[]): Flow[] {
  const fronts = new Map<string, Set<string>>();
  const nodePorts = new Map<string, Set<string>>();
  for (const port of ports) {
    if (port.protocol !== "udp") continue;
    const endpoints = new Set([...port.cluster, ...port.local].map(textOf));
    for (const address of [port.clusterAddress, ...port.externalAddresses]) {
      fronts.set(`${address} ${port.port}`, endpoints);
    }
    if (port.nodePort !== 0) nodePorts.set(String(port.nodePort), endpoints);
  }
  return flows.filter((flow) => {
    const front = fronts.get(`${flow.destination} ${flow.destinationPort}`);
    const answer = `${flow.answerer} ${flow.answererPort}`;
    if (front !== undefined) return !front.has(answer);
    // A flow to such a port that was not translated is none of a Service's.
    const translated = flow.answerer !== flow.destination;
    const behind = nodePorts.get(flow.destinationPort);
    return translated && behind !== undefined && !behind.has(answer);
  });
}

/** Arguments of `conntrack` that delete exactly this flow. */
export function forgetArguments(flow: Flow): string[] {
  return [
    ...["-D", "-p", "udp", "-f", flow.source.includes(":") ? "ipv6" : "ipv4"],
    ...["--orig-src", flow.source, "--orig-dst", flow.destination],
    ...["--orig-port-src", flow.sourcePort, "--orig-port-dst", flow.destinationPort],
  ];
}

/** What the UDP flows depend on: equal texts, equal flows wanted. */
export function flowSignature(ports: readonly ServicePortFacts[]): string {
  return JSON.stringify(ports.filter((port) => port.protocol === "udp"));
}

function textOf({ address, port }: Destination): string {
  return `${address} ${port}`;
}
