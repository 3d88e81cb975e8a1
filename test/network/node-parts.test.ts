import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { capabilities, snapshotterFor } from "../../services/node/capabilities.ts";
import { conflist } from "../../services/node/cni.ts";
import type { Command } from "../../services/node/command.ts";
import { unescapeMount } from "../../services/node/containerd/cleanup.ts";
import {
  type ContainerdOptions,
  containerdConfig,
  mirrorForAll,
  mirrorOnly,
} from "../../services/node/containerd/config.ts";
import { nodeLayout } from "../../services/node/layout.ts";
import { clusterNetwork, nodeNetwork, overlap, parseRange } from "../../services/node/network.ts";
import { claimSlot, readOwners, releaseSlot, slotsInUse } from "../../services/node/slots.ts";
import { parseFlows, staleFlows } from "../../services/proxy/flows.ts";
import type { ServicePortFacts } from "../../services/proxy/services.ts";

describe("the addresses of a cluster", () => {
  it("follow from its slot", () => {
    expect(clusterNetwork(0)).toMatchObject({
      podCidr: "10.244.0.0/16",
      serviceCidr: "10.96.0.0/16",
      hostAddress: "172.30.0.1",
      dnsAddress: "10.96.0.10",
    });
    expect(clusterNetwork(15)).toMatchObject({
      podCidr: "10.229.0.0/16",
      serviceCidr: "10.111.0.0/16",
    });
    expect(() => clusterNetwork(16)).toThrow(RangeError);
  });

  it("never overlap between slots", () => {
    const ranges = Array.from({ length: 16 }, (_, slot) => clusterNetwork(slot)).flatMap((one) =>
      [one.podCidr, one.serviceCidr, one.nodeCidr].map(parseRange),
    );
    ranges.forEach((one, i) => {
      for (const other of ranges.slice(i + 1)) expect(overlap(one, other)).toBe(false);
    });
  });

  it("give each node its own", () => {
    const network = clusterNetwork(2);
    expect(nodeNetwork(network, "node-1", 0, true)).toEqual({
      podCidr: "10.242.0.0/24",
      address: "172.30.2.11",
      namespace: "/run/netns/cox2-node-1",
      cable: "cox2n0",
    });
    expect(nodeNetwork(network, "host", 3, false)).toMatchObject({
      podCidr: "10.242.3.0/24",
      address: "172.30.2.1",
      namespace: undefined,
    });
    expect(nodeNetwork(clusterNetwork(15), "n", 239, true).cable).toHaveLength(9);
    expect(() => nodeNetwork(network, "n", 240, true)).toThrow(RangeError);
  });
});

describe("network slots", () => {
  let folder = "";
  const owner = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const claim = (name: string, more: object = {}): number =>
    claimSlot({ dataDirectory: owner(name), directory: join(folder, "slots"), ...more });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "coxswain-slots-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("go to the first who asks, and stay with it", () => {
    expect([claim("a"), claim("b"), claim("a")]).toEqual([0, 1, 0]);
  });

  it("are the preferred one where it is free", () => {
    expect(claim("a", { preferred: 5 })).toBe(5);
    expect(claim("b", { preferred: 5 })).toBe(0);
  });

  it("are given back, and taken from owners that are gone", () => {
    claim("a");
    claim("b");
    releaseSlot(owner("a"), join(folder, "slots"));
    expect(claim("c")).toBe(0);
    rmSync(owner("b"), { recursive: true });
    expect(claim("d")).toBe(1);
    expect([...readOwners(join(folder, "slots")).values()]).toEqual([owner("c"), owner("d")]);
  });

  it("are left out where the machine uses the addresses", () => {
    expect(claim("a", { avoid: new Set([0, 1]) })).toBe(2);
  });

  it("run out", () => {
    for (let i = 0; i < 16; i++) claim(`cluster-${i}`);
    expect(() => claim("one-more")).toThrow(/all 16 network slots/);
  });

  it("are in use when a foreign route lies in them", async () => {
    const routes = [
      { dst: "default", dev: "eth0" },
      { dst: "10.243.5.0/24", dev: "flannel.1" },
      { dst: "10.244.0.0/24", dev: "cox0" },
      { dst: "10.244.0.7", dev: "veth1234" },
      { type: "unreachable", dst: "10.244.0.0/16" },
      { dst: "10.98.0.0/15", dev: "tun0" },
      { dst: "172.30.9.1", dev: "docker0", type: "local" },
    ];
    const command: Command = async () => ({ code: 0, stdout: JSON.stringify(routes), stderr: "" });
    expect([...(await slotsInUse(command))]).toEqual([1, 2, 3, 9]);
  });
});

describe("containerd's configuration", () => {
  const options: ContainerdOptions = {
    root: '/data "x"/root',
    state: "/run/coxswain/ab/n0/state",
    socket: "/run/coxswain/ab/n0/containerd.sock",
    cniConfig: "/data/cni",
    cniPlugins: "/usr/lib/cni",
    certificates: "/data/certs.d",
    streamAddress: "172.30.0.11",
    runc: "/usr/sbin/runc",
    snapshotter: "overlayfs",
    restrictOomScore: true,
  };

  it("quotes paths and names what was asked for", () => {
    const text = containerdConfig(options);
    expect(text).toContain('root = "/data \\"x\\"/root"');
    expect(text).toContain('stream_server_address = "172.30.0.11"');
    expect(text).toContain("restrict_oom_score_adj = true");
    expect(text).toContain('bin_dir = "/usr/lib/cni"');
  });

  it("is refused when the kernel could not take the socket's path", () => {
    const socket = `/run/${"x".repeat(100)}`;
    expect(() => containerdConfig({ ...options, socket })).toThrow(RangeError);
  });

  it("has a short socket path however long the data folder's is", () => {
    const place = { node: "n".repeat(63), index: 7, isolated: true, network: clusterNetwork(0) };
    const layout = nodeLayout({ ...place, dataDirectory: `/${"deep/".repeat(60)}` });
    const fitting = { ...options, socket: layout.socket };
    expect(() => containerdConfig(fitting)).not.toThrow();
  });

  it("asks the mirror first, and for our own registry nobody else", () => {
    expect(mirrorForAll("http://172.30.0.1:5000")).not.toContain("server");
    expect(mirrorOnly("http://172.30.0.1:5000")).toContain('server = "http://172.30.0.1:5000"');
  });
});

describe("the pod network", () => {
  it("is routed, with the node's range", () => {
    const text = conflist({
      configDirectory: "/c",
      addressDirectory: "/a",
      networkName: "cox0-node-1",
      podCidr: "10.244.0.0/24",
      mtu: 1400,
    });
    expect(JSON.parse(text).plugins).toEqual([
      expect.objectContaining({
        type: "ptp",
        mtu: 1400,
        ipam: expect.objectContaining({ dataDir: "/a", ranges: [[{ subnet: "10.244.0.0/24" }]] }),
      }),
    ]);
  });
});

describe("mountinfo", () => {
  it("is read with its octal numbers", () => {
    expect(unescapeMount("/a\\040b\\134c")).toBe("/a b\\c");
  });
});

describe("UDP flows", () => {
  const line = (dst: string, dport: string, answerer: string, answererPort: string): string =>
    `udp      17 29 src=10.244.0.9 dst=${dst} sport=4000 dport=${dport} [UNREPLIED] ` +
    `src=${answerer} dst=10.244.0.9 sport=${answererPort} dport=4000 mark=0 use=1`;
  const port: ServicePortFacts = {
    name: "default/dns/udp/53",
    family: "IPv4",
    protocol: "udp",
    port: 53,
    clusterAddress: "10.96.0.10",
    externalAddresses: [],
    nodePort: 30_053,
    affinitySeconds: 0,
    internalLocal: false,
    externalLocal: false,
    cluster: [{ address: "10.244.0.2", port: 5353 }],
    local: [],
  };
  const stale = (text: string, ports = [port]): number =>
    staleFlows(parseFlows(text), ports).length;

  it("are stale when they end at what is no endpoint", () => {
    expect(stale(line("10.96.0.10", "53", "10.244.0.2", "5353"))).toBe(0);
    expect(stale(line("10.96.0.10", "53", "10.244.0.3", "5353"))).toBe(1);
    expect(stale(line("10.96.0.10", "53", "10.96.0.10", "53"))).toBe(1);
    expect(stale(line("10.96.0.10", "53", "10.244.0.2", "5353"), [{ ...port, cluster: [] }])).toBe(
      1,
    );
  });

  it("are left alone when they are none of a Service's", () => {
    expect(stale(line("10.96.0.99", "53", "10.244.0.3", "53"))).toBe(0);
    expect(stale(line("8.8.8.8", "30053", "8.8.8.8", "30053"))).toBe(0);
    expect(stale("conntrack v1.4.7 (conntrack-tools): 0 flow entries have been shown.\n")).toBe(0);
  });

  it("are found behind node ports", () => {
    expect(stale(line("192.0.2.2", "30053", "10.244.0.2", "5353"))).toBe(0);
    expect(stale(line("192.0.2.2", "30053", "10.244.0.3", "5353"))).toBe(1);
  });
});

describe("what a machine can do", () => {
  const refusing: Command = async (program, args) => {
    const broken = program === "unshare" || args.includes("tables");
    return { code: broken ? 1 : 0, stdout: "", stderr: broken ? "Operation not permitted" : "" };
  };

  it("is plain processes, with the reasons, where namespaces are forbidden", async () => {
    const { runtime, reasons } = await capabilities(refusing);
    expect(runtime).toBe("process");
    expect(reasons.length).toBeGreaterThan(0);
    const root = process.getuid?.() === 0;
    expect(reasons.join("\n")).toMatch(root ? /may not be made here/ : /need root/);
  });

  it("warns of a firewall that drops what pods send", async () => {
    const dropping: Command = async (_, args) => {
      const policy = args.includes("FORWARD") ? "policy drop;" : "";
      return { code: 0, stdout: policy, stderr: "" };
    };
    const { warnings } = await capabilities(dropping);
    const warned = warnings.some((warning) => warning.includes("FORWARD"));
    expect(warned).toBe(process.getuid?.() === 0);
  });

  it("chooses whole copies where overlays cannot be stacked", () => {
    expect(snapshotterFor("/tmp/not/there/yet")).toMatch(/^(overlayfs|native)$/);
  });
});
