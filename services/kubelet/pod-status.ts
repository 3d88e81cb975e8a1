import type { Plan } from "../../shared/actor/plan.ts";
import type { Pod, PodStatus } from "../../shared/api/generated/types.ts";
import { type KubeletContext, recordDecision } from "./context.ts";
import { statusPlan } from "./decide/status-plan.ts";
import type { seenOf } from "./redecide.ts";

const RETRY_MS = 200;
const RETRY_MOST_MS = 5_000;
const SEEN_MS = 10_000;

/** The decision that a status comes from. */
export interface Noted {
  readonly now: number;
  readonly micros: number;
  /** What it was made on; asked before anything of the decision is begun. */
  readonly seen: () => ReturnType<typeof seenOf>;
}

/**
 * Writes one pod's status when it says something new, one write at a time. A write carries the
 * revision that it was decided on; when it is refused, the pod is decided again on the newer one.
 */
export class PodStatusWriter {
  readonly #context: KubeletContext;
  /** Called when the pod should be decided again. */
  readonly #again: () => void;
  #writing = false;
  #retryMs = RETRY_MS;

  constructor(context: KubeletContext, again: () => void) {
    this.#context = context;
    this.#again = again;
  }

  /** True while a write is under way or not seen yet: what the pod shows is not the last word. */
  get busy(): boolean {
    return this.#writing;
  }

  /** Writes the status unless the pod has it; true when it has. */
  offer(pod: Pod, status: PodStatus, decided: Noted): boolean {
    if (this.#writing) return false;
    const plan = statusPlan(pod, status);
    if (plan === undefined) return true;
    this.#writing = true;
    void this.#write(pod, plan, decided);
    return false;
  }

  async #write(pod: Pod, plan: Plan, { seen, ...decided }: Noted): Promise<void> {
    const { client, environment, replica, projection, logger } = this.#context;
    const trace = environment.ids.ulid();
    const decidedAt = projection.revision;
    const cause = Number(pod.metadata.resourceVersion ?? 0);
    const beside = { node: { ...seen(), part: "status" } };
    const record = { ...decided, trace, decidedAt, plan, seen: beside };
    let waitMs = 0;
    try {
      const { actions } = plan;
      const request = { trace, actor: "kubelet", replica, cause, decidedAt, actions };
      const response = await client.plan(request).catch((error: Error) => {
        const { message } = error;
        recordDecision(this.#context, pod, { ...record, outcome: "failed", message });
        throw error;
      });
      const { outcome, revision } = response;
      recordDecision(this.#context, pod, { ...record, outcome, revision });
      if (response.outcome === "refused") waitMs = this.#nextWait();
      else this.#retryMs = RETRY_MS;
      await projection.waitFor(response.revision, SEEN_MS);
    } catch (error) {
      const { name, namespace } = pod.metadata;
      logger.warn({ err: error, pod: name, namespace }, "the pod's status could not be written");
      waitMs = this.#nextWait();
    }
    if (waitMs > 0) await environment.timers.sleep(waitMs);
    this.#writing = false;
    this.#again();
  }

  #nextWait(): number {
    const wait = this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MOST_MS);
    return wait;
  }
}
