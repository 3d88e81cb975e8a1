import type { Secret } from "../../../shared/api/generated/types.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { pullBackoffMs } from "../decide/backoff.ts";
import { type ContainerRuntime, type ImageStatus, RuntimeError } from "../runtimes/runtime.ts";
import { credentialsFor } from "./credentials.ts";
import { defaultPullPolicy, withDefaultTag } from "./reference.ts";

/** An image is not to be had; `reason` is the waiting state's. */
export class ImageError extends Error {
  readonly reason: string;
  /** When it is worth trying again. */
  readonly retryAt: number;
  constructor(reason: string, message: string, retryAt: number) {
    super(message);
    this.name = new.target.name;
    this.reason = reason;
    this.retryAt = retryAt;
  }
}

export interface ImageWish {
  readonly podUid: string;
  readonly image: string;
  readonly policy: string | undefined;
  readonly secrets: readonly Secret[];
  /** Publishes an event about the container. */
  readonly report: (type: "Normal" | "Warning", reason: string, message: string) => void;
}

interface Attempts {
  failures: number;
  retryAt: number;
  message: string;
}

/** How long a pod shows that a pull has failed before it shows that it waits for the next. */
const FAILURE_SHOWN_MS = 3_000;
/** What is wrong with a spec is looked at again only this often. */
const SPEC_RETRY_MS = 10_000;

/** Gets images onto the node by their pull policy; failing pulls wait longer and longer. */
export class ImagePuller {
  readonly #runtime: ContainerRuntime;
  readonly #environment: Runtime;
  readonly #attempts = new Map<string, Attempts>();
  /** Pulls under way, shared by all who want the image with the same credentials. */
  readonly #pulls = new Map<string, Promise<string>>();

  constructor(runtime: ContainerRuntime, environment: Runtime) {
    this.#runtime = runtime;
    this.#environment = environment;
  }

  /** The image, present on the node. @throws ImageError, RuntimeError. */
  async obtain(wish: ImageWish): Promise<ImageStatus> {
    const now = this.#environment.clock.now();
    const name = this.#parse(wish, now);
    const present = await this.#runtime.imageStatus(name);
    const policy = wish.policy ?? defaultPullPolicy(name);
    if (present && policy !== "Always") {
      const where = "already present on machine and can be accessed by the pod";
      wish.report("Normal", "Pulled", `Container image "${wish.image}" ${where}`);
      return present;
    }
    if (policy === "Never") {
      const message = `Container image "${wish.image}" is not present with pull policy of Never`;
      wish.report("Warning", "ErrImageNeverPull", message);
      throw this.#error(wish, "ErrImageNeverPull", message, now + SPEC_RETRY_MS);
    }
    return this.#pull(wish, name);
  }

  /** Forgets how a pod's pulls went. */
  forget(podUid: string): void {
    for (const key of this.#attempts.keys()) {
      if (key.startsWith(`${podUid}_`)) this.#attempts.delete(key);
    }
  }

  #parse(wish: ImageWish, now: number): string {
    try {
      return withDefaultTag(wish.image);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      wish.report("Warning", "InspectFailed", message);
      throw this.#error(wish, "InvalidImageName", message, now + SPEC_RETRY_MS);
    }
  }

  #error(wish: ImageWish, reason: string, message: string, retryAt: number): ImageError {
    wish.report("Warning", "Failed", `Error: ${reason}`);
    return new ImageError(reason, message, retryAt);
  }

  async #pull(wish: ImageWish, name: string): Promise<ImageStatus> {
    const key = `${wish.podUid}_${wish.image}`;
    const before = this.#attempts.get(key);
    if (before && before.retryAt > this.#environment.clock.now()) {
      const message = `Back-off pulling image "${wish.image}": ErrImagePull: ${before.message}`;
      wish.report("Normal", "BackOff", `Back-off pulling image "${wish.image}"`);
      throw this.#error(wish, "ImagePullBackOff", message, before.retryAt);
    }
    wish.report("Normal", "Pulling", `Pulling image "${wish.image}"`);
    const begun = this.#environment.clock.monotonic();
    try {
      await this.#pullWithCredentials(wish, name);
    } catch (error) {
      throw this.#failed(wish, key, error);
    }
    const status = await this.#runtime.imageStatus(name);
    if (!status)
      throw this.#failed(wish, key, new RuntimeError("failed", "the image is gone again"));
    this.#attempts.delete(key);
    const took = formatPrecise(this.#environment.clock.monotonic() - begun);
    const size = `Image size: ${status.size} bytes.`;
    wish.report(
      "Normal",
      "Pulled",
      `Successfully pulled image "${wish.image}" in ${took} (${took} including waiting). ${size}`,
    );
    return status;
  }

  /** @throws RuntimeError when the runtime is away, which says nothing about the image. */
  #failed(wish: ImageWish, key: string, error: unknown): ImageError {
    if (error instanceof RuntimeError && error.code === "unavailable") throw error;
    const message = error instanceof Error ? error.message : String(error);
    const failures = (this.#attempts.get(key)?.failures ?? 0) + 1;
    const now = this.#environment.clock.now();
    const retryAt = now + pullBackoffMs(failures);
    this.#attempts.set(key, { failures, retryAt, message });
    wish.report("Warning", "Failed", `Failed to pull image "${wish.image}": ${message}`);
    return this.#error(wish, "ErrImagePull", message, now + FAILURE_SHOWN_MS);
  }

  async #pullWithCredentials(wish: ImageWish, name: string): Promise<void> {
    const candidates = credentialsFor(name, wish.secrets);
    if (candidates.length === 0) {
      await this.#shared(name, "", () => this.#runtime.pullImage(name, undefined));
      return;
    }
    let failure: unknown;
    for (const one of candidates) {
      try {
        const identity = `${one.serverAddress}/${one.username}`;
        await this.#shared(name, identity, () => this.#runtime.pullImage(name, one));
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #shared(name: string, identity: string, pull: () => Promise<string>): Promise<string> {
    const key = `${name} ${identity}`;
    const running = this.#pulls.get(key);
    if (running) return running;
    const started = pull().finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, started);
    return started;
  }
}

/** A duration to the millisecond, as Go prints it: `340ms`, `1.2s`, `1m2.5s`. */
function formatPrecise(milliseconds: number): string {
  const whole = Math.floor(milliseconds);
  if (whole < 1000) return `${whole}ms`;
  const minutes = Math.floor(whole / 60_000);
  const seconds = (whole % 60_000) / 1000;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
