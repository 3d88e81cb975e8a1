/**
 * Plays nodes on any API server: Node objects, Leases kept fresh, and for each pod that is bound to
 * one of them what a kubelet would report. For pods that stay; nothing runs.
 */
import { Client, type Target } from "./client.ts";
import { each, pause } from "./lanes.ts";
import {
  leaseBody,
  nodeBody,
  type PlayedNode,
  type PlayedPod,
  playedNode,
  podStatus,
} from "./played.ts";

export { PREFIX } from "./played.ts";

const STRATEGIC = "application/strategic-merge-patch+json";
const RENEW_MS = 10_000;
const TICK_MS = 100;
const TRIES = 4;
const RETRY_MS = 250;

const LANES = 16;
/** Their own, so that the renewals due after a rest do not stand before the reports of pods. */
const LEASE_LANES = 8;

export class NodePlayer {
  readonly #client: Client;
  readonly #leaseClient: Client;
  readonly #nodes: readonly PlayedNode[];
  readonly #byName: ReadonlyMap<string, PlayedNode>;
  /** The leases as the server last gave them back. */
  readonly #leases = new Map<string, Lease>();
  /** By uid: pods reported Running, pods being removed. */
  readonly #running = new Set<string>();
  readonly #leaving = new Set<string>();
  #renewed = 0;
  #timer: NodeJS.Timeout | undefined;
  #endWatch: () => void = () => {};
  #stopped = false;
  /** Pods reported Running, pods removed, reports that failed for good. */
  readonly counts = { started: 0, removed: 0, failed: 0 };

  constructor(target: Target, nodes: number) {
    this.#client = new Client(target, LANES);
    this.#leaseClient = new Client(target, LEASE_LANES);
    this.#nodes = Array.from({ length: nodes }, (_, index) => playedNode(index));
    this.#byName = new Map(this.#nodes.map((node) => [node.name, node]));
  }

  /** Resolves when all nodes are there, with a fresh Lease each, and their pods are watched. */
  async start(): Promise<void> {
    await each(this.#nodes.length, async (index) => {
      const node = this.#nodes[index] as PlayedNode;
      await this.#join(node);
      await this.#renew(node);
    });
    const began = performance.now();
    this.#timer = setInterval(() => this.#renewDue(performance.now() - began), TICK_MS);
    await this.#watch();
  }

  /** Removes the nodes and their Leases. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#endWatch();
    await each(this.#nodes.length, async (index) => {
      const { name } = this.#nodes[index] as PlayedNode;
      await this.#client.send("DELETE", `/api/v1/nodes/${name}`);
      await this.#client.send("DELETE", `${LEASES}/${name}`);
    }).catch(() => {});
    this.#client.close();
    this.#leaseClient.close();
  }

  /** One that an earlier run has left is taken over. */
  async #join(node: PlayedNode): Promise<void> {
    const body = JSON.stringify(nodeBody(node, new Date()));
    const { code, body: answer } = await this.#client.send("POST", "/api/v1/nodes", body);
    if (code === 409) {
      const path = `/api/v1/nodes/${node.name}/status`;
      await this.#client.ok("PATCH", path, nodeBody(node, new Date()), STRATEGIC);
    } else if (code !== 201) throw new Error(`node ${node.name}: ${code} ${answer}`);
  }

  /** Spread evenly; after a rest each once, not once for every renewal missed. */
  #renewDue(elapsed: number): void {
    const due = Math.floor((elapsed / RENEW_MS) * this.#nodes.length);
    const count = Math.min(due - this.#renewed, this.#nodes.length);
    this.#renewed = due;
    for (let index = due - count; index < due; index++) {
      const node = this.#nodes[index % this.#nodes.length] as PlayedNode;
      // The next one is due soon.
      this.#renew(node).catch(() => {});
    }
  }

  /** Written over the one last seen, as kubelets do; read anew when somebody else has written. */
  async #renew({ name }: PlayedNode): Promise<void> {
    const known = this.#leases.get(name);
    const body = JSON.stringify(leaseBody(name, new Date(), known?.metadata));
    const [method, path] = known ? ["PUT", `${LEASES}/${name}`] : ["POST", LEASES];
    let answer = await this.#leaseClient.send(method as string, path as string, body);
    if (answer.code === 404) this.#leases.delete(name);
    if (answer.code === 409) answer = await this.#leaseClient.send("GET", `${LEASES}/${name}`);
    if (answer.code >= 300) throw new Error(`lease of ${name}: ${answer.code} ${answer.body}`);
    this.#leases.set(name, JSON.parse(answer.body.toString()) as Lease);
  }

  /** All pods that are bound, then their changes; anew when the watch ends. */
  async #watch(): Promise<void> {
    const list = await this.#client.json<PodList>(`/api/v1/pods?${BOUND}`);
    for (const pod of list.items) this.#see(pod, false);
    const from = `resourceVersion=${list.metadata.resourceVersion}&allowWatchBookmarks=true`;
    const again = (): void => {
      if (!this.#stopped) void this.#watchAgain();
    };
    this.#endWatch = await this.#client.watch(
      `/api/v1/pods?watch=true&${BOUND}&${from}`,
      (line) => {
        const { type, object } = JSON.parse(line.toString()) as { type: string; object: PlayedPod };
        if (type === "ERROR") {
          this.#endWatch();
          again();
        } else if (type !== "BOOKMARK") this.#see(object, type === "DELETED");
      },
      again,
    );
  }

  async #watchAgain(): Promise<void> {
    while (!this.#stopped) {
      await pause(RETRY_MS);
      try {
        await this.#watch();
        return;
      } catch {
        // The server is away: once more.
      }
    }
  }

  #see(pod: PlayedPod, gone: boolean): void {
    const node = this.#byName.get(pod.spec.nodeName ?? "");
    const { uid, deletionTimestamp } = pod.metadata;
    if (node === undefined) return;
    if (gone) {
      this.#running.delete(uid);
      this.#leaving.delete(uid);
    } else if (deletionTimestamp !== undefined) {
      if (this.#leaving.has(uid)) return;
      this.#leaving.add(uid);
      void this.#remove(pod);
    } else if (!this.#running.has(uid)) {
      this.#running.add(uid);
      void this.#run(pod, node);
    }
  }

  async #run(pod: PlayedPod, node: PlayedNode): Promise<void> {
    const patch = JSON.stringify(podStatus(pod, node, new Date()));
    if (await this.#report("PATCH", `${urlOf(pod)}/status`, patch, STRATEGIC))
      this.counts.started++;
  }

  async #remove(pod: PlayedPod): Promise<void> {
    const { uid } = pod.metadata;
    const body = JSON.stringify({ gracePeriodSeconds: 0, preconditions: { uid } });
    if (await this.#report("DELETE", urlOf(pod), body)) this.counts.removed++;
  }

  /** False when the pod is gone, or nothing helps. */
  async #report(method: string, url: string, body: string, type?: string): Promise<boolean> {
    for (let tries = 0; tries < TRIES && !this.#stopped; tries++) {
      try {
        const { code } = await this.#client.send(method, url, body, type);
        if (code < 300) return true;
        if (code === 404) return false;
      } catch {
        // No answer: once more.
      }
      await pause(RETRY_MS);
    }
    this.counts.failed++;
    return false;
  }
}

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const BOUND = "fieldSelector=spec.nodeName!%3D";

interface Lease {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

interface PodList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly PlayedPod[];
}

function urlOf({ metadata: { namespace, name } }: PlayedPod): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}
