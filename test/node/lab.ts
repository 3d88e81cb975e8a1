import { rmSync } from "node:fs";
import { join } from "node:path";
import { ensurePki } from "../../services/apiserver/auth/pki.ts";
import type { Engine } from "../../services/apiserver/request.ts";
import { type Apiserver, startApiserver } from "../../services/apiserver/start.ts";
import { CriRuntime } from "../../services/kubelet/runtimes/cri.ts";
import { ProcessRuntime } from "../../services/kubelet/runtimes/process/runtime.ts";
import { type KubeletConfig, startKubelet } from "../../services/kubelet/start.ts";
import { BUSYBOX_IMAGE } from "../../services/node/images/catalog.ts";
import { ACTORS } from "../../services/replay/actors.ts";
import { reportOf } from "../../services/replay/replay.ts";
import type { ActorReport } from "../../services/replay/tally.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { historyInMemory } from "../../shared/log/memory-history.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import type { Version } from "../../shared/store/store.ts";
import type { StreamOpen } from "../../shared/streams/message.ts";
import { type NodeStream, openStream } from "../../shared/streams/stream.ts";
import { type Call, requestOf } from "../apiserver/harness.ts";
import { TestCluster } from "../network/cluster.ts";
import { logger, runtime } from "../network/machine.ts";
import { MemoryBus } from "../streams/memory-bus.ts";

export const NODE = "node-1";
export const NAMESPACE = "default";
const WAIT_MS = 60_000;

export type PodSpec = NonNullable<Pod["spec"]>;

/** A whole node with a real containerd, and an apiserver for it in this process. */
export class NodeLab {
  readonly bus = new MemoryBus();
  readonly cluster = new TestCluster();
  /** What kubelets of this process have decided. */
  readonly decisions: DecisionRecord[] = [];
  readonly #versions: Version[] = [];
  readonly #stores = {
    cluster: new MemoryStore(runtime),
    events: new MemoryStore(runtime),
    leases: new MemoryStore(runtime),
  };
  #asProcesses = false;
  #apiserver: Apiserver | undefined;
  #kubelet: Running | undefined;
  #names = 0;

  async start(options: { kubelet?: boolean; runtime?: "cri" | "process" } = {}): Promise<void> {
    this.#asProcesses = options.runtime === "process";
    if (!this.#asProcesses) await this.cluster.start(1, true);
    this.#stores.cluster.watch("", 0, {
      version: (version) => this.#versions.push(version),
      failed: (error) => {
        throw error;
      },
    });
    this.#apiserver = await startApiserver(this.dependencies("apiserver-1"), {
      stores: this.#stores,
      network: { serviceCidr: "10.96.0.0/16", nodePortRange: [30000, 32767] },
      https: { pki: ensurePki(this.cluster.data, [], runtime), port: 0, address: "127.0.0.1" },
    });
    await this.#prepareNamespace();
    if (options.kubelet !== false) this.#kubelet = await this.startKubelet();
  }

  async stop(): Promise<void> {
    await this.#kubelet?.stop();
    await this.#apiserver?.stop();
    if (this.#asProcesses) await this.#removeProcesses();
    else await this.cluster.remove();
  }

  get engine(): Engine {
    if (!this.#apiserver) throw new Error("the laboratory has not been started");
    return this.#apiserver.engine;
  }

  dependencies(replica: string): ActorDependencies {
    const said = process.env["NODE_TEST_LOG"] ? CONSOLE : logger;
    return { runtime, bus: this.bus, logger: said, replica };
  }

  kubeletConfig(): Omit<KubeletConfig, "runtime"> {
    const common = {
      nodeName: NODE,
      logDirectory: join(this.cluster.data, "pod-logs"),
      clusterDns: ["10.96.0.10"],
      clusterDomain: "cluster.local",
    };
    if (this.#asProcesses) {
      const rootDirectory = join(this.cluster.data, "kubelet");
      return { ...common, rootDirectory, hostIPs: ["127.0.0.1"] };
    }
    const { prepared } = this.#node;
    return {
      ...common,
      rootDirectory: prepared.kubeletDirectory,
      hostIPs: [prepared.address],
      podCIDRs: [prepared.podCidr],
      cgroupRoot: this.cluster.cgroup,
    };
  }

  get criSocket(): string {
    return this.#node.prepared.criSocket;
  }

  get containerdPid(): number {
    return this.#node.prepared.containerd.pid;
  }

  get cri(): CriRuntime {
    return this.#node.cri;
  }

  async startKubelet(): Promise<Running> {
    const connected = this.#asProcesses
      ? this.#processRuntime()
      : await CriRuntime.connect({
          endpoint: this.criSocket,
          now: () => runtime.clock.now(),
          after: (ms, run) => runtime.timers.after(ms, run),
        });
    return startKubelet(this.dependencies("kubelet-1"), {
      ...this.kubeletConfig(),
      decisions: { append: (record) => void this.decisions.push(asJson(record)) },
      runtime: connected,
    });
  }

  /** Makes the kubelets' decisions again, on the log and what they noted. */
  async replay(): Promise<ActorReport | undefined> {
    const { decisions } = this;
    const history = historyInMemory({ logs: this.#stores, versions: this.#versions, decisions });
    const to = await this.#stores.cluster.head();
    const { actors } = await reportOf({ history, runtime, from: 0, to, actors: ACTORS });
    return actors.find(({ actor }) => actor === "kubelet");
  }

  /** Sends a request as an administrator. @throws Error with the answer when it fails. */
  async call(call: Call): Promise<KubernetesObject> {
    const answer = await this.engine.handle(requestOf(call));
    if (answer.type === "watch") throw new Error("watches are not for this");
    const text = Buffer.concat(answer.body).toString();
    if (answer.code >= 400) throw new Error(`${answer.code} ${text}`);
    return JSON.parse(text) as KubernetesObject;
  }

  create(resource: string, body: object): Promise<KubernetesObject> {
    return this.call({ verb: "create", resource, namespace: NAMESPACE, body });
  }

  /** Creates a pod on the node; containers get the busybox image unless they say otherwise. */
  async pod(spec: PodSpec, metadata: object = {}): Promise<string> {
    const name = `pod-${++this.#names}`;
    const withImages = (containers: PodSpec["containers"] | undefined) =>
      containers?.map((container) => ({
        image: BUSYBOX_IMAGE,
        imagePullPolicy: "IfNotPresent",
        ...container,
      }));
    const inits = withImages(spec.initContainers);
    await this.create("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE, ...metadata },
      spec: {
        nodeName: NODE,
        ...spec,
        ...(inits ? { initContainers: inits } : {}),
        containers: withImages(spec.containers),
      },
    });
    return name;
  }

  async get(name: string): Promise<Pod | undefined> {
    try {
      return (await this.call({
        verb: "get",
        resource: "pods",
        namespace: NAMESPACE,
        name,
      })) as Pod;
    } catch (error) {
      if (String(error).includes("404")) return undefined;
      throw error;
    }
  }

  /** Waits until the pod is as wanted. @throws Error with its last state when it takes too long. */
  async until(name: string, wanted: (pod: Pod) => boolean, waitMs: number = WAIT_MS): Promise<Pod> {
    const deadline = runtime.clock.monotonic() + waitMs;
    for (;;) {
      const pod = await this.get(name);
      if (pod && wanted(pod)) return pod;
      if (runtime.clock.monotonic() > deadline) {
        const said = JSON.stringify(pod?.status, undefined, 1);
        const events = (await this.events(name)).join("\n");
        throw new Error(`${name} is not as wanted: ${said}\n${events}`);
      }
      await runtime.timers.sleep(50);
    }
  }

  async untilGone(name: string, waitMs: number = WAIT_MS): Promise<void> {
    const deadline = runtime.clock.monotonic() + waitMs;
    while (await this.get(name)) {
      if (runtime.clock.monotonic() > deadline) {
        throw new Error(`${name} is still there: ${JSON.stringify(await this.get(name))}`);
      }
      await runtime.timers.sleep(50);
    }
  }

  async delete(name: string, graceSeconds?: number): Promise<void> {
    const body = graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds };
    await this.call({ verb: "delete", resource: "pods", namespace: NAMESPACE, name, body });
  }

  /** `Reason: message` of the pod's events. */
  async events(name: string): Promise<string[]> {
    const list = await this.call({ verb: "list", resource: "events", namespace: NAMESPACE });
    const items = list["items"] as KubernetesObject[];
    return items
      .filter((event) => event["involvedObject"]?.name === name)
      .map((event) => `${event["reason"]}: ${event["message"]}`);
  }

  /** Opens a stream as an apiserver does. */
  async stream<Open extends StreamOpen>(
    name: string,
    open: Omit<Open, "namespace" | "pod" | "uid">,
  ): Promise<NodeStream> {
    const pod = await this.get(name);
    const target = { namespace: NAMESPACE, pod: name, uid: pod?.metadata.uid ?? "" };
    const full = { ...target, ...open } as unknown as Open;
    return openStream(this.bus, runtime, `node.${NODE}.stream.${full.operation}`, full);
  }

  /** Runs a command in a container; answers what it wrote and its Status. */
  async exec(name: string, container: string, ...command: string[]): Promise<ExecOutcome> {
    const io = { stdin: false, stdout: true, stderr: true, tty: false };
    const stream = await this.stream(name, {
      operation: "exec",
      container,
      command,
      ...io,
    } as never);
    const [stdout, stderr, status] = await Promise.all([
      collect(stream, 1),
      collect(stream, 2),
      collect(stream, 3),
    ]);
    await stream.end();
    return { stdout, stderr, status: JSON.parse(status) };
  }

  async logs(name: string, container: string, options: object = {}): Promise<string> {
    const defaults = { follow: false, previous: false, timestamps: false, stream: "All" };
    const open = { operation: "log", container, ...defaults, ...options };
    const stream = await this.stream(name, open as never);
    const text = await collect(stream, 1);
    await stream.end();
    return text;
  }

  async #removeProcesses(): Promise<void> {
    const processes = this.#processRuntime();
    for (const { id } of await processes.listSandboxes()) await processes.removeSandbox(id);
    processes.close();
    rmSync(this.cluster.data, { recursive: true, force: true });
  }

  #processRuntime(): ProcessRuntime {
    const directory = join(this.cluster.data, "process");
    return new ProcessRuntime({ directory, hostIPs: ["127.0.0.1"], runtime });
  }

  get #node() {
    const [node] = this.cluster.nodes;
    if (!node) throw new Error("the laboratory has not been started");
    return node;
  }

  async #prepareNamespace(): Promise<void> {
    await this.create("serviceaccounts", { metadata: { name: "default" } });
    await this.create("configmaps", {
      metadata: { name: "kube-root-ca.crt" },
      data: { "ca.crt": "a certificate" },
    });
  }
}

function asJson(record: DecisionRecord): DecisionRecord {
  return JSON.parse(JSON.stringify(record)) as DecisionRecord;
}

export interface ExecOutcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: KubernetesObject;
}

export async function collect(stream: NodeStream, channel: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.read(channel)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

export function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ??
    false
  );
}

const CONSOLE: ActorDependencies["logger"] = {
  debug: (fields, message) => console.log("debug", message, fields),
  info: (fields, message) => console.log("info", message, fields),
  warn: (fields, message) => console.log("warn", message, fields),
  error: (fields, message) => console.log("error", message, fields),
};
