import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDns } from "../../services/dns/start.ts";
import { must } from "../../services/node/command.ts";
import { nodeLayout } from "../../services/node/layout.ts";
import { prepareHost, prepareNode } from "../../services/node/prepare.ts";
import { allProcesses, processFacts } from "../../services/node/processes.ts";
import { type RunningProxy, startProxy } from "../../services/proxy/start.ts";
import type { PlanRequest } from "../../shared/actor/api.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import type { ApiClient } from "../../shared/actor/client.ts";
import type { Running } from "../../shared/actor/dependencies.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { keyOf } from "../../shared/api/key.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { machine, TestCluster, type TestPod } from "./cluster.ts";
import { command, describeOnMachine, logger, runtime } from "./machine.ts";

const PROGRAMS = ["containerd", "runc", "nft", "ip", "nsenter", "busybox"];
const HEADERS = { actor: "user", replica: "test", trace: "t", cause: 0 };
/** Other clusters may be running on this machine, also other runs of this test. */
const NODE_PORT = 30_000 + (process.pid % 2768);

async function hostGet(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
    return (await response.text()).trim();
  } catch (error) {
    return String((error as Error).cause ?? error);
  }
}

describeOnMachine("two nodes on one machine", PROGRAMS, () => {
  const cluster = new TestCluster();
  const store = new MemoryStore(runtime);
  const projection = new Projection({ runtime });
  const actors: Running[] = [];
  const proxies: RunningProxy[] = [];
  const pods: Record<string, TestPod> = {};
  const dependencies = { runtime, bus: {} as Bus, logger, replica: "test" };
  let web = "";

  const put = async (resource: string, object: KubernetesObject): Promise<void> => {
    const { namespace, name } = object.metadata;
    const write = { key: keyOf(resource, namespace, name), value: encodeObject(object) };
    const [revision = 0] = await store.commit([write], HEADERS);
    await projection.waitFor(revision, 1000);
  };

  /** Commits what the DNS wants of the apiserver. */
  const client = {
    plan: async ({ actions }: PlanRequest) => {
      let revision = 0;
      for (const action of actions) {
        if (!("object" in action)) continue;
        const value = encodeObject(action.object);
        [revision = 0] = await store.commit([{ key: action.key, value }], HEADERS);
      }
      return { outcome: "committed", revision, results: [] };
    },
  } as unknown as ApiClient;

  beforeAll(async () => {
    await cluster.start(2, true);
    const { network, nodes } = cluster;
    const [one, two] = [nodes[0]!, nodes[1]!];
    pods["web1"] = await cluster.pod(one, "web1", "web");
    pods["web2"] = await cluster.pod(two, "web2", "web");
    pods["shell"] = await cluster.pod(one, "shell", "shell");
    web = network.serviceCidr.replace("0.0/16", "0.77");
    await projection.follow(store);
    for (const { place } of nodes) {
      await put("nodes", {
        ...{ apiVersion: "v1", kind: "Node", metadata: { name: place.node, uid: place.node } },
      });
    }
    await put("services", {
      ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name: "web" } },
      spec: {
        type: "NodePort",
        clusterIP: web,
        clusterIPs: [web],
        ports: [{ name: "http", port: 80, protocol: "TCP", nodePort: NODE_PORT }],
      },
    });
    await put("endpointslices.discovery.k8s.io", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        namespace: "default",
        name: "web-1",
        labels: { "kubernetes.io/service-name": "web" },
      },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [pods["web1"], pods["web2"]].map((pod) => ({
        addresses: [pod!.ip],
        nodeName: pod!.node.place.node,
      })),
    });
    const standpoints = [
      { node: undefined, networkNamespace: undefined },
      ...nodes.map(({ place, prepared }) => ({
        node: place.node,
        networkNamespace: prepared.networkNamespace,
      })),
    ];
    for (const standpoint of standpoints) {
      const proxy = await startProxy(dependencies, {
        ...standpoint,
        identity: "system:kube-proxy",
        table: network.table,
        serviceCidrs: [network.serviceCidr],
        clusterCidrs: [network.podCidr, network.nodeCidr],
        foreignCidrs: [],
        projection,
      });
      actors.push(proxy);
      proxies.push(proxy);
    }
    for (const { place } of nodes) {
      const dns = await startDns(dependencies, {
        identity: `system:node:${place.node}`,
        zone: {
          domain: "cluster.local",
          dnsAddress: network.dnsAddress,
          cidrs: [network.podCidr, network.serviceCidr],
        },
        address: network.hostAddress,
        port: 0,
        node: place.node,
        upstreams: [],
        projection,
        client,
      });
      actors.push(dns);
    }
    const slices = (): number => projection.list("endpointslices.discovery.k8s.io").length;
    while (slices() < 3) await runtime.timers.sleep(20);
    await Promise.all(proxies.map((proxy) => proxy.settled()));
  });
  afterAll(async () => {
    for (const actor of actors) await actor.stop();
    projection.stop();
    await cluster.remove();
  });

  const get = (address: string): Promise<string> =>
    cluster.run(pods["shell"]!, "timeout", "4", "wget", "-qO-", `http://${address}`);

  it("give pods addresses of their node's range", () => {
    const range = (node: number): string =>
      cluster.nodes[node]!.prepared.podCidr.replace(".0/24", ".");
    expect(pods["web1"]!.ip.startsWith(range(0))).toBe(true);
    expect(pods["web2"]!.ip.startsWith(range(1))).toBe(true);
  });

  it("let pods of both nodes and the host reach one another", async () => {
    expect(await get(`${pods["web1"]!.ip}:8080/cgi-bin/hostname`)).toBe("web1");
    expect(await get(`${pods["web2"]!.ip}:8080/cgi-bin/hostname`)).toBe("web2");
    expect(await hostGet(`http://${pods["web2"]!.ip}:8080/cgi-bin/hostname`)).toBe("web2");
  });

  it("serve a Service by name and by address, from pods and from the host", async () => {
    const answers = new Set<string>();
    for (let i = 0; i < 24; i++) answers.add(await get("web/cgi-bin/hostname"));
    expect([...answers].sort()).toEqual(["web1", "web2"]);
    expect(await get("web.default.svc.cluster.local/cgi-bin/hostname")).toMatch(/^web/);
    expect(await hostGet(`http://${web}/cgi-bin/hostname`)).toMatch(/^web/);
  });

  it("serve a NodePort on the host, on localhost and on each node", async () => {
    const { network, nodes } = cluster;
    const addresses = [
      "127.0.0.1",
      network.hostAddress,
      ...nodes.map((one) => one.prepared.address),
    ];
    for (const address of addresses) {
      expect(await hostGet(`http://${address}:${NODE_PORT}/cgi-bin/hostname`), address).toMatch(
        /^web/,
      );
    }
  });

  it("answer for names in the cluster from inside a pod", async () => {
    const found = await cluster.run(pods["shell"]!, "nslookup", "web.default.svc.cluster.local");
    expect(found).toContain(`Address: ${web}`);
    expect(await cluster.run(pods["shell"]!, "nslookup", "no.default.svc.cluster.local")).toMatch(
      /^exit 1/,
    );
  });

  it("end a container of the web image at once when asked", async () => {
    const { cri } = cluster.nodes[1]!;
    const pod = await cluster.pod(cluster.nodes[1]!, "brief", "web");
    const before = runtime.clock.monotonic();
    await cri.stopContainer(pod.container, 30);
    expect(runtime.clock.monotonic() - before).toBeLessThan(15_000);
    expect((await cri.containerStatus(pod.container))?.exitCode).toBe(0);
  });

  it("keep containers over the death of containerd, which is started again", async () => {
    const node = cluster.nodes[0]!;
    const dead = node.prepared.containerd.pid;
    process.kill(dead, "SIGKILL");
    let containers: string[] = [];
    for (let i = 0; i < 200 && containers.length === 0; i++) {
      await runtime.timers.sleep(50);
      if (node.prepared.containerd.pid === dead) continue;
      containers = await node.cri.listContainers().then(
        (all) => all.filter((one) => one.state === "running").map((one) => one.id),
        () => [],
      );
    }
    expect(containers).toEqual(
      expect.arrayContaining([pods["web1"]!.container, pods["shell"]!.container]),
    );
    expect(await get("web/cgi-bin/hostname")).toMatch(/^web/);
  });

  it("are taken over as they are by another process", async () => {
    await prepareHost(machine, cluster.network);
    const { place, prepared } = cluster.nodes[1]!;
    const again = await prepareNode(machine, place);
    expect(again.containerd).toMatchObject({ adopted: true, pid: prepared.containerd.pid });
    expect(await get(`${pods["web2"]!.ip}:8080/cgi-bin/hostname`)).toBe("web2");
    await again.release();
  });

  it("answer precisely when an image is unknown", async () => {
    const pull = cluster.nodes[0]!.cri.pullImage("registry.local/nothing:1", undefined);
    await expect(pull).rejects.toMatchObject({ code: "notFound" });
  });
});

describeOnMachine("the host as the only node", PROGRAMS, () => {
  const cluster = new TestCluster();
  afterAll(() => cluster.remove());

  it("runs pods that the host reaches, and leaves nothing behind", async () => {
    await cluster.start(1, false);
    const node = cluster.nodes[0]!;
    const pod = await cluster.pod(node, "solo", "web");
    expect(await hostGet(`http://${pod.ip}:8080/cgi-bin/hostname`)).toBe("solo");
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain(node.prepared.kubeletDirectory);
    const { place } = node;
    const layout = nodeLayout(place);
    const containerd = node.prepared.containerd.pid;
    await cluster.end();
    expect(processFacts(containerd)).toBeUndefined();
    const left = allProcesses().filter((one) => one.arguments.includes(layout.socket));
    expect(left).toEqual([]);
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    expect(mounts).not.toContain(layout.run);
    expect(mounts).not.toContain(cluster.data);
    expect(existsSync(layout.run)).toBe(false);
    const cgroups = readdirSync("/sys/fs/cgroup").map((one) => join("/sys/fs/cgroup", one));
    expect(cgroups.filter((one) => existsSync(join(one, layout.cgroup)))).toEqual([]);
    const links = await must(command, "ip", ["link"]);
    expect(links).not.toContain(`${cluster.network.bridge}:`);
    const results = "/var/lib/cni/results";
    const notes = existsSync(results) ? readdirSync(results) : [];
    expect(notes.filter((name) => name.startsWith(layout.cniNetwork))).toEqual([]);
  });
});
