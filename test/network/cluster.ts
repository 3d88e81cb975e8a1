import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CriRuntime } from "../../services/kubelet/runtimes/cri.ts";
import type { ContainerConfig, SandboxConfig } from "../../services/kubelet/runtimes/runtime.ts";
import { BUSYBOX_IMAGE, WEB_IMAGE } from "../../services/node/images/catalog.ts";
import type { NodePlace } from "../../services/node/layout.ts";
import { type ClusterNetwork, clusterNetwork } from "../../services/node/network.ts";
import {
  type Machine,
  type PreparedNode,
  prepareHost,
  prepareNode,
  removeHost,
  removeNode,
} from "../../services/node/prepare.ts";
import { claimSlot, releaseSlot, slotsInUse } from "../../services/node/slots.ts";
import { command, logger, runtime } from "./machine.ts";

export const machine: Machine = { runtime, logger, command };

export interface TestNode {
  readonly place: NodePlace;
  readonly prepared: PreparedNode;
  readonly cri: CriRuntime;
}

export interface TestPod {
  readonly node: TestNode;
  readonly sandbox: string;
  readonly container: string;
  readonly ip: string;
}

/** Nodes of a cluster that has no control plane: the tests start the pods themselves. */
export class TestCluster {
  readonly data = mkdtempSync(join(tmpdir(), "coxswain-nodes-"));
  readonly nodes: TestNode[] = [];
  network: ClusterNetwork = clusterNetwork(0);
  /** Without a slot of our own, everything named after it is somebody else's. */
  #claimed = false;

  async start(count: number, isolated: boolean): Promise<void> {
    const avoid = await slotsInUse(command);
    this.network = clusterNetwork(claimSlot({ dataDirectory: this.data, avoid }));
    this.#claimed = true;
    await prepareHost(machine, this.network);
    const places = Array.from({ length: count }, (_, index) => this.place(index, isolated));
    this.nodes.push(...(await Promise.all(places.map((place) => this.join(place)))));
  }

  /** Parent of the control groups of the first node's pods. */
  get cgroup(): string {
    return this.nodes[0]!.prepared.cgroupRoot;
  }

  place(index: number, isolated: boolean): NodePlace {
    const { data: dataDirectory, network } = this;
    return { dataDirectory, node: `node-${index + 1}`, index, isolated, network };
  }

  async join(place: NodePlace): Promise<TestNode> {
    const prepared = await prepareNode(machine, place);
    const cri = await CriRuntime.connect({
      endpoint: `unix://${prepared.criSocket}`,
      now: () => runtime.clock.now(),
      after: (ms, run) => runtime.timers.after(ms, run),
    });
    return { place, prepared, cri };
  }

  /** A pod of one container: the web server, or a shell that waits. */
  async pod(node: TestNode, name: string, image: "web" | "shell"): Promise<TestPod> {
    const reference = image === "web" ? WEB_IMAGE : BUSYBOX_IMAGE;
    if ((await node.cri.imageStatus(reference)) === undefined) {
      await node.cri.pullImage(reference, undefined);
    }
    const sandboxConfig = this.#sandbox(node, name);
    const sandbox = await node.cri.runSandbox(sandboxConfig);
    const container = await node.cri.createContainer(
      sandbox,
      containerConfig(reference, image === "web" ? [] : ["sleep", "1000000"]),
      sandboxConfig,
    );
    await node.cri.startContainer(container);
    const ip = (await node.cri.sandboxStatus(sandbox))?.ips[0] ?? "";
    return { node, sandbox, container, ip };
  }

  /** Runs a command in the pod. @returns what it wrote; "exit N" when it failed. */
  async run(pod: TestPod, ...words: string[]): Promise<string> {
    const result = await pod.node.cri.execSync(pod.container, words, 10);
    const text = result.stdout.toString().trim();
    return result.exitCode === 0 ? text : `exit ${result.exitCode} ${text}`.trim();
  }

  async remove(): Promise<void> {
    await this.end();
    releaseSlot(this.data);
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Takes everything from the machine, but keeps the slot, and with it its names, to itself. */
  async end(): Promise<void> {
    for (const { cri, prepared } of this.nodes) {
      cri.close();
      await prepared.release();
    }
    for (const { place } of this.nodes) await removeNode(machine, place);
    if (this.#claimed) await removeHost(machine, this.network, this.data);
    this.nodes.length = 0;
  }

  #sandbox({ prepared }: TestNode, name: string): SandboxConfig {
    return {
      metadata: { name, uid: name, namespace: "default", attempt: 0 },
      hostname: name,
      logDirectory: join(this.data, "pods", name),
      dnsConfig: {
        servers: [this.network.dnsAddress],
        searches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
        options: ["ndots:5"],
      },
      portMappings: [],
      labels: {},
      annotations: {},
      linux: {
        cgroupParent: `${prepared.cgroupRoot}/${name}`,
        securityContext: {
          namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" },
          supplementalGroups: [],
          privileged: false,
        },
      },
    };
  }
}

function containerConfig(image: string, command: string[]): ContainerConfig {
  return {
    metadata: { name: "main", attempt: 0 },
    image: { image },
    command,
    args: [],
    workingDir: "",
    envs: [],
    mounts: [],
    labels: {},
    annotations: {},
    logPath: "main.log",
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: {
      resources: {
        cpuPeriod: 0,
        cpuQuota: 0,
        cpuShares: 0,
        memoryLimitInBytes: 0,
        oomScoreAdj: 0,
      },
      securityContext: {
        privileged: false,
        namespaceOptions: { network: "POD", pid: "CONTAINER", ipc: "POD" },
        readonlyRootfs: false,
        supplementalGroups: [],
        noNewPrivs: false,
        maskedPaths: [],
        readonlyPaths: [],
      },
    },
  };
}
