import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { must } from "../../services/node/command.ts";
import { guardLocalhost } from "../../services/node/guard.ts";
import { Kernel } from "../../services/proxy/kernel.ts";
import { type NodeFacts, rulesOf } from "../../services/proxy/rules.ts";
import { servicePorts } from "../../services/proxy/services.ts";
import { snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { buildLab, CLIENT, type Lab, NODE_INSIDE, NODE_OUTSIDE, POD_A, POD_B } from "./lab.ts";
import { command, describeOnMachine, inside, logger } from "./machine.ts";

const FACTS: NodeFacts = {
  node: "node-1",
  table: "coxswain-0",
  serviceCidrs: ["10.96.0.0/16"],
  clusterCidrs: ["10.244.0.0/16", "172.30.0.0/24"],
  foreignCidrs: [],
};
const WEB = "10.96.0.7";

function service(spec: object, name = "web"): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "default", name },
    spec: { clusterIP: WEB, clusterIPs: [WEB], ports: [{ port: 80, protocol: "TCP" }], ...spec },
  };
}

function slice(
  addresses: string[],
  port = 8080,
  protocol = "TCP",
  node = "node-1",
): KubernetesObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace: "default",
      name: "web-1",
      labels: { "kubernetes.io/service-name": "web" },
    },
    addressType: "IPv4",
    ports: [{ port, protocol }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: node })),
  };
}

describeOnMachine("rules in the kernel", ["nft", "ip", "nsenter", "conntrack"], () => {
  let lab: Lab;
  let kernel: Kernel;

  const load = (...objects: KubernetesObject[]): Promise<boolean> =>
    kernel.apply(rulesOf(snapshotOfObjects(objects, 0), FACTS));

  beforeAll(async () => {
    lab = await buildLab();
    for (const protocol of ["tcp", "udp"] as const) {
      await lab.serve(lab.podA, protocol, 8080, "a");
      await lab.serve(lab.podB, protocol, 8080, "b");
    }
    await lab.serve(lab.client, "tcp", 9000, "outside");
    await lab.serve(lab.node, "tcp", 9001, "node");
  });
  afterAll(() => lab?.remove());
  beforeEach(async () => {
    kernel = new Kernel({ command, logger, networkNamespace: lab.node });
    await inside(lab.node)("nft", ["delete", "table", "inet", FACTS.table]);
  });

  it("lead a ClusterIP to every endpoint, from pods and from the node", async () => {
    await load(service({}), slice([POD_A, POD_B]));
    for (const where of [lab.podA, lab.node]) {
      const answers = await lab.ask(where, "tcp", WEB, 80, 24);
      const names = new Set(answers.map((answer) => answer.split(" ")[0]));
      expect([...names].sort()).toEqual(["a", "b"]);
    }
  });

  it("keep the source between pods, and replace it when a pod reaches itself", async () => {
    await load(service({}), slice([POD_B]));
    expect(await lab.ask(lab.podA, "tcp", WEB, 80)).toEqual([`b ${POD_A}`]);
    expect(await lab.ask(lab.podB, "tcp", WEB, 80)).toEqual(["b 10.244.0.1"]);
    expect(await lab.ask(lab.node, "tcp", WEB, 80)).toEqual([`b ${NODE_INSIDE}`]);
  });

  it("refuse at once what has no endpoints, and unknown ports of a ClusterIP", async () => {
    const nodePort = { ports: [{ port: 80, protocol: "TCP", nodePort: 30080 }] };
    await load(service(nodePort));
    for (const where of [lab.podA, lab.node]) {
      expect(await lab.ask(where, "tcp", WEB, 80)).toEqual(["ECONNREFUSED"]);
    }
    expect(await lab.ask(lab.client, "tcp", NODE_OUTSIDE, 30080)).toEqual(["ECONNREFUSED"]);
    await load(service(nodePort), slice([POD_A]));
    expect(await lab.ask(lab.podB, "tcp", WEB, 81)).toEqual(["ECONNREFUSED"]);
    expect(await lab.ask(lab.podB, "tcp", WEB, 80)).toEqual([`a ${POD_B}`]);
  });

  it("serve NodePorts on every address of the node, localhost too", async () => {
    await load(
      service({ ports: [{ port: 80, protocol: "TCP", nodePort: 30080 }] }),
      slice([POD_A]),
    );
    expect(await lab.ask(lab.client, "tcp", NODE_OUTSIDE, 30080)).toEqual(["a 10.244.0.1"]);
    expect(await lab.ask(lab.node, "tcp", "127.0.0.1", 30080)).toEqual(["a 10.244.0.1"]);
    expect(await lab.ask(lab.podB, "tcp", NODE_INSIDE, 30080)).toEqual(["a 10.244.0.1"]);
  });

  it("keep the client's address under the external policy Local", async () => {
    const spec = {
      externalTrafficPolicy: "Local",
      ports: [{ port: 80, protocol: "TCP", nodePort: 30080 }],
    };
    await load(service(spec), slice([POD_A]));
    expect(await lab.ask(lab.client, "tcp", NODE_OUTSIDE, 30080)).toEqual([`a ${CLIENT}`]);
    await load(service(spec), slice([POD_A], 8080, "TCP", "node-2"));
    expect(await lab.ask(lab.client, "tcp", NODE_OUTSIDE, 30080)).toEqual(["timeout"]);
    expect(await lab.ask(lab.podB, "tcp", NODE_OUTSIDE, 30080)).toEqual([`a ${POD_B}`]);
  });

  it("answer on external addresses", async () => {
    await load(service({ externalIPs: ["203.0.113.5"] }), slice([POD_B]));
    expect(await lab.ask(lab.client, "tcp", "203.0.113.5", 80)).toEqual(["b 10.244.0.1"]);
  });

  it("lead host ports to the pod", async () => {
    const pod: KubernetesObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "default", name: "p" },
      spec: {
        nodeName: "node-1",
        containers: [{ name: "c", ports: [{ containerPort: 8080, hostPort: 80 }] }],
      },
      status: { phase: "Running", podIPs: [{ ip: POD_A }] },
    };
    await load(pod);
    expect(await lab.ask(lab.client, "tcp", NODE_OUTSIDE, 80)).toEqual([`a ${CLIENT}`]);
    expect(await lab.ask(lab.node, "tcp", "127.0.0.1", 80)).toEqual(["a 10.244.0.1"]);
  });

  it("give pods the node's address on their way out, and not towards the node", async () => {
    await load();
    expect(await lab.ask(lab.podA, "tcp", CLIENT, 9000)).toEqual([`outside ${NODE_OUTSIDE}`]);
    expect(await lab.ask(lab.podA, "tcp", NODE_INSIDE, 9001)).toEqual([`node ${POD_A}`]);
  });

  it("keep 127.0.0.0/8 closed to the neighbours, from before it could be reached", async () => {
    // The client forgets that 127.0.0.0/8 is its own, and sends it to the node.
    await must(inside(lab.client), "sh", [
      "-ec",
      `echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
       ip route del local 127.0.0.0/8 dev lo table local
       ip route add 127.0.0.5 via ${NODE_OUTSIDE} src ${CLIENT}`,
    ]);
    const ask = (): Promise<string[]> => lab.ask(lab.client, "tcp", "127.0.0.5", 9001);
    expect(await ask(), "without any rules").toEqual([`node ${CLIENT}`]);
    await guardLocalhost(command, FACTS.table, lab.node);
    expect(await ask()).toEqual(["timeout"]);
    await load();
    expect(await ask()).toEqual(["timeout"]);
  });

  it("keep a client with its endpoint, also over a new process and other changes", async () => {
    const sticky = service({
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
    });
    await load(sticky, slice([POD_A, POD_B]));
    const first = await lab.ask(lab.node, "tcp", WEB, 80, 8);
    expect(new Set(first).size).toBe(1);
    await load(sticky, slice([POD_A, POD_B]), {
      ...service({ clusterIP: "10.96.0.8", clusterIPs: ["10.96.0.8"] }, "other"),
    });
    kernel = new Kernel({ command, logger, networkNamespace: lab.node });
    await load(sticky, slice([POD_A, POD_B]));
    expect(new Set(await lab.ask(lab.node, "tcp", WEB, 80, 8))).toEqual(new Set(first));
    const [name] = first[0]!.split(" ");
    await load(sticky, slice([name === "a" ? POD_B : POD_A]));
    expect((await lab.ask(lab.node, "tcp", WEB, 80))[0]).not.toBe(first[0]);
  });

  it("forget UDP flows to an endpoint that has gone", async () => {
    const udp = service({ ports: [{ port: 80, protocol: "UDP" }] });
    await load(udp, slice([POD_A], 8080, "UDP"));
    const ask = (): Promise<string[]> => lab.ask(lab.node, "udp", WEB, 80, 1, 40_404);
    expect(await ask()).toEqual([`a ${NODE_INSIDE}`]);
    const objects = [udp, slice([POD_B], 8080, "UDP")];
    await load(...objects);
    expect(await ask(), "the flow before it is forgotten").toEqual([`a ${NODE_INSIDE}`]);
    await kernel.forgetStale(servicePorts(snapshotOfObjects(objects, 0), "node-1"));
    expect(await ask()).toEqual([`b ${NODE_INSIDE}`]);
  });

  it("are left alone when nothing changed, and loaded anew when others removed them", async () => {
    const objects = [service({}), slice([POD_A])];
    expect(await load(...objects)).toBe(true);
    expect(await load(...structuredClone(objects))).toBe(false);
    expect(await kernel.intact()).toBe(true);
    await must(inside(lab.node), "nft", ["flush", "chain", "inet", FACTS.table, "services"]);
    expect(await kernel.intact()).toBe(false);
    expect(await load(...objects)).toBe(true);
    expect(await lab.ask(lab.podB, "tcp", WEB, 80)).toEqual([`a ${POD_B}`]);
    await must(inside(lab.node), "nft", ["flush", "ruleset"]);
    expect(await kernel.intact()).toBe(false);
    expect(await load(...objects)).toBe(true);
    expect(await lab.ask(lab.podB, "tcp", WEB, 80)).toEqual([`a ${POD_B}`]);
  });

  it("leave nothing behind of Services that are gone", async () => {
    await load(service({}), slice([POD_A]));
    await load();
    const listing = await must(inside(lab.node), "nft", ["list", "table", "inet", FACTS.table]);
    expect(listing).not.toContain("default/web");
  });
});
