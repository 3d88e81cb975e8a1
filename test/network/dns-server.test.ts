import { createSocket, type Socket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect } from "node:net";
import * as packet from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { upstreamsOf } from "../../services/dns/forward.ts";
import { MessageReader, withLength } from "../../services/dns/framing.ts";
import { type RunningDns, startDns } from "../../services/dns/start.ts";
import type { PlanRequest } from "../../shared/actor/api.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import type { ApiClient } from "../../shared/actor/client.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";

const runtime = liveRuntime();
const HEADERS = { actor: "user", replica: "test", trace: "t", cause: 0 };
const ADDRESS = "127.0.0.1";

/** An upstream that knows every name, but is silent about silent.*, and notes what it is asked. */
class Upstream {
  readonly socket: Socket = createSocket("udp4");
  readonly asked: string[] = [];
  port = 0;

  start(): Promise<void> {
    this.socket.on("message", (bytes, peer) => {
      const query = packet.decode(bytes);
      const name = query.questions?.[0]?.name ?? "";
      this.asked.push(name);
      if (name.startsWith("silent.")) return;
      const response = packet.encode({
        type: "response",
        id: query.id ?? 0,
        flags: packet.RECURSION_AVAILABLE,
        questions: query.questions ?? [],
        answers: [{ type: "A", name, ttl: 60, data: "192.0.2.53" }],
      });
      // Somebody who guesses ids answers first, wrongly.
      const forged = Buffer.from(response);
      forged.writeUInt16BE(((query.id ?? 0) + 1) % 65_536, 0);
      forged[forged.length - 1] = 99;
      this.socket.send(forged, peer.port, peer.address);
      this.socket.send(response, peer.port, peer.address);
    });
    return new Promise((resolve) =>
      this.socket.bind(0, ADDRESS, () => {
        this.port = this.socket.address().port;
        resolve();
      }),
    );
  }
}

async function put(store: MemoryStore, resource: string, object: KubernetesObject): Promise<void> {
  const { namespace, name } = object.metadata;
  const write = { key: keyOf(resource, namespace, name), value: encodeObject(object) };
  await store.commit([write], HEADERS);
}

function askUdp(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    const timer = setTimeout(() => {
      socket.close();
      reject(new Error("no answer"));
    }, 6000);
    socket.on("message", (message) => {
      clearTimeout(timer);
      socket.close();
      resolve(message);
    });
    socket.send(bytes, port, ADDRESS);
  });
}

function query(name: string, type: packet.RecordType, udpBytes?: number): Buffer {
  return packet.encode({
    type: "query",
    id: 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals:
      udpBytes === undefined
        ? []
        : [
            {
              ...{ type: "OPT", name: ".", udpPayloadSize: udpBytes, extendedRcode: 0 },
              ...{ ednsVersion: 0, flags: 0, flag_do: false, options: [] },
            },
          ],
  });
}

function codeOf(response: Buffer): number {
  return response[3]! & 0x0f;
}

describe("DNS server", () => {
  const upstream = new Upstream();
  const store = new MemoryStore(runtime);
  const projection = new Projection({ runtime });
  const plans: PlanRequest[] = [];
  let dns: RunningDns;
  let resolver: Resolver;

  /** Takes what it is asked to create, as the apiserver would. */
  const client = {
    identity: "system:node:node-1",
    plan: async (request: PlanRequest) => {
      plans.push(request);
      let revision = 0;
      for (const action of request.actions) {
        if (!("object" in action)) continue;
        const value = encodeObject(action.object);
        [revision = 0] = await store.commit([{ key: action.key, value }], HEADERS);
      }
      return { outcome: "committed" as const, revision, results: [] };
    },
  } as unknown as ApiClient;

  beforeAll(async () => {
    await upstream.start();
    const meta = (name: string) => ({ namespace: "default", name });
    await put(store, "nodes", {
      ...{ apiVersion: "v1", kind: "Node", metadata: { name: "node-1", uid: "u" } },
    });
    await put(store, "services", {
      ...{ apiVersion: "v1", kind: "Service", metadata: meta("web") },
      spec: {
        clusterIP: "10.96.0.7",
        clusterIPs: ["10.96.0.7"],
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
      },
    });
    await put(store, "services", {
      ...{ apiVersion: "v1", kind: "Service", metadata: meta("outside") },
      spec: { type: "ExternalName", externalName: "www.example.com" },
    });
    await put(store, "services", {
      ...{ apiVersion: "v1", kind: "Service", metadata: meta("crowd") },
      spec: { clusterIP: "None", clusterIPs: ["None"] },
    });
    await put(store, "endpointslices.discovery.k8s.io", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...meta("crowd-1"), labels: { "kubernetes.io/service-name": "crowd" } },
      addressType: "IPv4",
      endpoints: Array.from({ length: 200 }, (_, i) => ({ addresses: [`10.244.0.${i + 2}`] })),
    });
    await projection.follow(store);
    dns = await startDns(
      { runtime, bus: {} as Bus, logger: silentLogger, replica: "test" },
      {
        identity: "system:node:node-1",
        zone: {
          domain: "cluster.local",
          dnsAddress: "10.96.0.10",
          cidrs: ["10.96.0.0/16", "10.244.0.0/16"],
        },
        address: ADDRESS,
        port: 0,
        node: "node-1",
        upstreams: [{ address: ADDRESS, port: upstream.port }],
        projection,
        client,
      },
    );
    resolver = new Resolver({ timeout: 2000, tries: 1 });
    resolver.setServers([`${ADDRESS}:${dns.port}`]);
  });
  afterAll(async () => {
    await dns?.stop();
    projection.stop();
    upstream.socket.close();
  });

  it("answers a resolver: addresses, services, reverse, not found", async () => {
    expect(await resolver.resolve4("web.default.svc.cluster.local")).toEqual(["10.96.0.7"]);
    expect(await resolver.resolveSrv("_http._tcp.web.default.svc.cluster.local")).toEqual([
      expect.objectContaining({ name: "web.default.svc.cluster.local", port: 80 }),
    ]);
    expect(await resolver.reverse("10.96.0.7")).toEqual(["web.default.svc.cluster.local"]);
    await expect(resolver.resolve4("no.default.svc.cluster.local")).rejects.toMatchObject({
      code: "ENOTFOUND",
    });
    await expect(resolver.resolve6("web.default.svc.cluster.local")).rejects.toMatchObject({
      code: "ENODATA",
    });
  });

  it("shows what was written a moment ago", async () => {
    await put(store, "services", {
      ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "new" } },
      spec: { clusterIP: "10.96.0.99", clusterIPs: ["10.96.0.99"] },
    });
    await projection.waitFor(await store.head(), 1000);
    expect(await resolver.resolve4("new.default.svc.cluster.local")).toEqual(["10.96.0.99"]);
  });

  it("forwards other names, and does not believe a forged answer", async () => {
    expect(await resolver.resolve4("www.example.org")).toEqual(["192.0.2.53"]);
    expect(upstream.asked).toContain("www.example.org");
  });

  it("walks an alias to its end", async () => {
    expect(await resolver.resolve4("outside.default.svc.cluster.local")).toEqual(["192.0.2.53"]);
  });

  it("cuts answers that do not fit, and gives them whole over TCP", async () => {
    const name = "crowd.default.svc.cluster.local";
    for (const bytes of [undefined, 1232, 65_000]) {
      const response = await askUdp(dns.port, query(name, "A", bytes));
      expect(response.length).toBeLessThanOrEqual(Math.min(bytes ?? 512, 1232));
      const decoded = packet.decode(response);
      expect(decoded.flag_tc).toBe(true);
      expect(decoded.additionals?.some(({ type }) => type === "OPT")).toBe(bytes !== undefined);
    }
    expect(await resolver.resolve4(name)).toHaveLength(200);
  });

  it("serves several questions on one TCP connection, however they are cut", async () => {
    const stream = Buffer.concat([
      withLength(query("web.default.svc.cluster.local", "A")),
      withLength(query("new.default.svc.cluster.local", "A")),
    ]);
    const socket = connect(dns.port, ADDRESS);
    const reader = new MessageReader();
    const messages: Buffer[] = [];
    const done = new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        messages.push(...reader.push(chunk));
        if (messages.length === 2) resolve();
      });
    });
    for (const byte of stream) socket.write(Buffer.from([byte]));
    await done;
    socket.destroy();
    expect(messages.map(codeOf)).toEqual([0, 0]);
  });

  it("answers nonsense with the fitting code, or not at all", async () => {
    const good = query("web.default.svc.cluster.local", "A");
    const cut = good.subarray(0, good.length - 3);
    expect(codeOf(await askUdp(dns.port, cut))).toBe(1);
    const update = Buffer.from(good);
    update[2] = 5 << 3;
    expect(codeOf(await askUdp(dns.port, update))).toBe(4);
    expect(codeOf(await askUdp(dns.port, query("cluster.local", "AXFR")))).toBe(5);
    const none = Buffer.from(good.subarray(0, 12));
    none.writeUInt16BE(0, 4);
    expect(codeOf(await askUdp(dns.port, none))).toBe(1);
    const pointer = Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
    expect(codeOf(await askUdp(dns.port, pointer))).toBe(1);
    // A response must not be answered: two servers would talk for ever.
    const socket = createSocket("udp4");
    const answered = new Promise((resolve) => socket.once("message", resolve));
    const response = Buffer.from(good);
    response[2] = 0x80;
    socket.send(response, dns.port, ADDRESS);
    socket.send(Buffer.from([1, 2, 3]), dns.port, ADDRESS);
    socket.send(good, dns.port, ADDRESS);
    const first = packet.decode((await answered) as Buffer);
    expect(first.answers).toHaveLength(1);
    socket.close();
  });

  it("refuses names of others when no recursion is wanted", async () => {
    const plain = query("www.example.org", "A");
    plain[2] = 0;
    expect(codeOf(await askUdp(dns.port, plain))).toBe(5);
  });

  it("says that it failed when the upstream is silent", async () => {
    expect(codeOf(await askUdp(dns.port, query("silent.example.org", "A")))).toBe(2);
  });

  it("keeps kube-dns in being", () => {
    const keys = plans.flatMap(({ actions }) => actions.map(({ op, key }) => `${op} ${key}`));
    expect(keys).toEqual([
      "create services/kube-system/kube-dns",
      "create endpointslices.discovery.k8s.io/kube-system/kube-dns-node-1",
    ]);
    const slice = projection.get(
      "endpointslices.discovery.k8s.io/kube-system/kube-dns-node-1",
    )?.object;
    expect(slice?.["ports"][0].port).toBe(dns.port);
  });
});

describe("a DNS server that is its own upstream", () => {
  it("notices, and says that it failed", async () => {
    const projection = new Projection({ runtime });
    const store = new MemoryStore(runtime);
    await projection.follow(store);
    const upstreams: { address: string; port: number }[] = [];
    const dns = await startDns(
      { runtime, bus: {} as Bus, logger: silentLogger, replica: "test" },
      {
        identity: "x",
        zone: { domain: "cluster.local", dnsAddress: "10.96.0.10", cidrs: [] },
        address: ADDRESS,
        port: 0,
        node: undefined,
        upstreams,
        projection,
        client: {} as ApiClient,
      },
    );
    upstreams.push({ address: ADDRESS, port: dns.port });
    expect(codeOf(await askUdp(dns.port, query("www.example.org", "A")))).toBe(2);
    await dns.stop();
    projection.stop();
  });
});

describe("resolv.conf", () => {
  it("gives the name servers that are not ourselves", () => {
    const text = "# nameserver 1.1.1.1\nnameserver 10.96.0.10\nnameserver 192.0.2.1\noptions x\n";
    expect(upstreamsOf(text, (address) => address === "10.96.0.10")).toEqual([
      { address: "192.0.2.1", port: 53 },
    ]);
  });
});
