import type { Action } from "../../shared/actor/plan.ts";
import type { Pod, PodStatus } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import { sameJson } from "../../shared/api/same.ts";
import { type KubeletContext, recordDecision } from "./context.ts";

const RETRY_MS = 200;
const RETRY_MOST_MS = 5_000;
const SEEN_MS = 10_000;

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
  offer(pod: Pod, status: PodStatus): boolean {
    if (this.#writing) return false;
    const patch = statusPatch(pod.status ?? {}, status);
    if (Object.keys(patch).length === 0) return true;
    this.#writing = true;
    void this.#write(pod, patch);
    return false;
  }

  async #write(pod: Pod, patch: Record<string, unknown>): Promise<void> {
    const { client, environment, replica, projection, logger } = this.#context;
    const { name, namespace, resourceVersion } = pod.metadata;
    const action: Action = {
      op: "patch",
      key: keyOf("pods", namespace, name),
      patch: { status: patch },
      subresource: "status",
      ...(resourceVersion ? { expect: resourceVersion } : {}),
    };
    const trace = environment.ids.ulid();
    const decidedAt = projection.revision;
    const cause = Number(resourceVersion ?? 0);
    let waitMs = 0;
    try {
      const request = { trace, actor: "kubelet", replica, cause, decidedAt, actions: [action] };
      const response = await client.plan(request);
      const { outcome, revision } = response;
      const plan = { actions: [action] };
      recordDecision(this.#context, pod, { trace, decidedAt, plan, outcome, revision, micros: 0 });
      if (response.outcome === "refused") waitMs = this.#nextWait();
      else this.#retryMs = RETRY_MS;
      await projection.waitFor(response.revision, SEEN_MS);
    } catch (error) {
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

/** The fields that differ, as a merge patch; what is gone is null. */
export function statusPatch(before: PodStatus, after: PodStatus): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  const old = before as Readonly<Record<string, unknown>>;
  const next = after as Readonly<Record<string, unknown>>;
  for (const field of new Set([...Object.keys(old), ...Object.keys(next)])) {
    if (!sameJson(old[field], next[field])) patch[field] = next[field] ?? null;
  }
  return patch;
}
