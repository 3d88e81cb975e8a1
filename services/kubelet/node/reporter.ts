import type { Node } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import { type KubeletContext, recordDecision } from "../context.ts";
import { firstOf, type NodeDescription, reconcileNode } from "../decide/node.ts";
import type { ImageStatus } from "../runtimes/runtime.ts";

const CHECK_MS = 10_000;
const RETRY_MS = 500;
const IMAGES_MOST = 50;
/** Upstream's limit for a relist that has not succeeded. */
const SILENCE_MOST_MS = 180_000;

/** Keeps the Node object as the node is: registers it, and writes what changes. */
export class NodeReporter {
  readonly #context: KubeletContext;
  readonly #fixed: Omit<NodeDescription, "images" | "problems">;
  #problems: readonly string[] = ["container runtime status check may not have completed yet"];
  #images: NonNullable<NodeDescription["images"]> = [];
  #checking = false;
  #writing = false;
  #again = false;
  #stops: Cancel[] = [];

  constructor(context: KubeletContext, fixed: Omit<NodeDescription, "images" | "problems">) {
    this.#context = context;
    this.#fixed = fixed;
  }

  start(): void {
    const { environment, projection } = this.#context;
    this.#stops.push(
      environment.timers.every(CHECK_MS, () => void this.#check()),
      projection.subscribe("nodes", () => void this.#write()),
    );
    void this.#check();
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const { runtime, observer, environment } = this.#context;
    try {
      const [problems, images] = await Promise.all([runtime.problems(), runtime.listImages()]);
      this.#problems = problems;
      this.#images = nodeImages(images);
    } catch (error) {
      // A runtime that is being restarted is no reason to take the node out of service.
      const silent = environment.clock.monotonic() - (observer.lastSuccess ?? 0);
      if (observer.lastSuccess === undefined || silent > SILENCE_MOST_MS) {
        const message = error instanceof Error ? error.message : String(error);
        this.#problems = [`[container runtime is down, ${message}]`];
      }
    }
    this.#checking = false;
    await this.#write();
  }

  async #write(): Promise<void> {
    if (this.#writing) {
      this.#again = true;
      return;
    }
    this.#writing = true;
    const settled = await this.#writeOnce();
    this.#writing = false;
    if (this.#stops.length === 0) return;
    if (!settled) this.#context.environment.timers.after(RETRY_MS, () => void this.#write());
    else if (this.#again) {
      this.#again = false;
      await this.#write();
    }
  }

  async #writeOnce(): Promise<boolean> {
    const { client, environment, projection, replica, logger } = this.#context;
    const entry = projection.get(keyOf("nodes", undefined, this.#fixed.name));
    const description = { ...this.#fixed, images: this.#images, problems: this.#problems };
    const now = environment.clock.now();
    const node = entry?.object as Node | undefined;
    const started = environment.clock.monotonic();
    const all = reconcileNode(description, node, now);
    const micros = Math.round((environment.clock.monotonic() - started) * 1000);
    if (all.length === 0) return true;
    const trace = environment.ids.ulid();
    const decidedAt = projection.revision;
    const plan = firstOf(all);
    const seen = { node: { part: "node", description } };
    const record = { trace, now, decidedAt, micros, plan, seen };
    const about = node ?? { kind: "Node", metadata: { name: description.name } };
    try {
      const cause = entry?.revision ?? 0;
      const { actions } = plan;
      const request = { trace, actor: "kubelet", replica, cause, decidedAt, actions };
      const response = await client.plan(request);
      const { outcome, revision } = response;
      recordDecision(this.#context, about, { ...record, outcome, revision });
      if (response.outcome === "refused") {
        logger.info({ reason: response.status.message }, "the node's object was not written");
      }
      await projection.waitFor(response.revision, 5_000);
      return response.outcome === "committed" && all.length === 1;
    } catch (error) {
      logger.warn({ err: error }, "the node's object could not be written");
      return false;
    }
  }
}

/** The largest images, as the API lists them. */
function nodeImages(images: readonly ImageStatus[]): { names: string[]; sizeBytes: number }[] {
  return images
    .map(({ digests, tags, size }) => ({ names: [...digests, ...tags], sizeBytes: size }))
    .filter(({ names }) => names.length > 0)
    .sort(
      (one, other) => other.sizeBytes - one.sizeBytes || (one.names[0]! < other.names[0]! ? -1 : 1),
    )
    .slice(0, IMAGES_MOST);
}
