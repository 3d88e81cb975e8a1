import type { ApiClient } from "../../shared/actor/client.ts";
import type { ActorDependencies, Running } from "../../shared/actor/dependencies.ts";
import { EventPublisher } from "../../shared/actor/events.ts";
import type { Membership } from "../../shared/actor/membership.ts";
import type { ActorState } from "../../shared/actor/orders.ts";
import { parseKey } from "../../shared/api/key.ts";
import type { History } from "../../shared/log/history.ts";
import { CompactedError } from "../../shared/store/store.ts";
import { followLog } from "./follow.ts";
import { INVARIANTS } from "./invariants.ts";
import type { Snapshots } from "./snapshots.ts";
import { verifyStretch } from "./stretch.ts";
import type { Verifier, Violation } from "./verifier.ts";

/** The actor's name. */
export const VERIFY = "verify";

export interface VerifyOptions {
  readonly dependencies: ActorDependencies;
  /** Publishes Events. */
  readonly client: ApiClient;
  readonly history: History;
  /** Each replica checks everything; of an object's violations its owner tells. */
  readonly membership: Membership;
}

export interface RunningVerify extends Running {
  state(): ActorState;
  /** For the beat, and from there for metrics: broken invariants are counted by name. */
  figures(): Readonly<Record<string, number>>;
}

/** The log cannot be read: tried again after so long. */
const RETRY_MS = 1_000;

/**
 * Checks the invariants on the log as it goes on, from the present, a few seconds behind. What is
 * broken is told as an Event of the object, in the process's log, and counted. It keeps nothing:
 * after a death it goes on from what is then the present; `cox verify` looks at what came before.
 */
export function startVerify(options: VerifyOptions): RunningVerify {
  return new Watchman(options);
}

class Watchman implements RunningVerify {
  readonly #options: VerifyOptions;
  readonly #events: EventPublisher;
  readonly #broken = new Map(INVARIANTS.map(({ name }) => [name, 0]));
  #verifier: Verifier | undefined;
  #snapshots: Snapshots | undefined;
  #following: Running | undefined;
  /** Of the verifiers before this one. */
  #commits = 0;
  #stopped = false;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#events = new EventPublisher(options.dependencies, options.client, VERIFY);
    this.#begin();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.membership.leave();
    await this.#following?.stop();
  }

  state(): ActorState {
    const { revision } = this.#verifier ?? {};
    return {
      actor: VERIFY,
      replica: this.#options.dependencies.replica,
      log: "cluster",
      ...(revision !== undefined && { revision }),
      passes: this.#checked,
      failed: this.#violations,
    };
  }

  figures(): Readonly<Record<string, number>> {
    return {
      revision: this.#verifier?.revision ?? 0,
      commits: this.#checked,
      ...Object.fromEntries([...this.#broken].map(([name, n]) => [`violations/${name}`, n])),
    };
  }

  get #checked(): number {
    return this.#commits + (this.#verifier?.commits ?? 0);
  }

  get #violations(): number {
    return [...this.#broken.values()].reduce((sum, count) => sum + count, 0);
  }

  #begin(): void {
    this.#follow().catch((error: Error) => this.#failed(error));
  }

  async #follow(): Promise<void> {
    const { history, dependencies } = this.#options;
    const { runtime, logger } = dependencies;
    const { verifier, snapshots } = await this.#present();
    if (this.#stopped) return;
    this.#following = followLog({
      runtime,
      history,
      verifier,
      snapshots,
      onViolation: (violation) => this.#tell(violation),
      onFailure: (error) => this.#failed(error),
    });
    const { revision } = verifier;
    logger.info({ actor: VERIFY, revision }, "checking invariants");
  }

  /** Where it had been, or what is now. */
  async #present() {
    const { history } = this.#options;
    if (this.#verifier === undefined || this.#snapshots === undefined) {
      const revision = await history.logs.cluster.head();
      const stretch = { from: revision, to: revision };
      const begun = await verifyStretch(history, stretch, () => undefined);
      this.#verifier = begun.verifier;
      this.#snapshots = begun.snapshots;
    }
    return { verifier: this.#verifier, snapshots: this.#snapshots };
  }

  #failed(error: Error): void {
    if (this.#stopped) return;
    const { runtime, logger } = this.#options.dependencies;
    logger.warn({ err: error, actor: VERIFY }, "the log cannot be followed");
    void this.#following?.stop();
    this.#following = undefined;
    if (error instanceof CompactedError) {
      // What lies between is gone.
      this.#commits = this.#checked;
      this.#verifier = undefined;
    }
    runtime.timers.after(RETRY_MS, () => {
      if (!this.#stopped) this.#begin();
    });
  }

  #tell(violation: Violation): void {
    const { membership, dependencies } = this.#options;
    const { invariant, key, message, revision } = violation;
    if (!membership.owns(key)) return;
    this.#broken.set(invariant, (this.#broken.get(invariant) ?? 0) + 1);
    dependencies.logger.error({ actor: VERIFY, violation }, "an invariant is broken");
    const { resource, namespace, name } = parseKey(key);
    const uid = this.#verifier?.state.get(key)?.metadata.uid ?? "";
    this.#events.publish([
      {
        regarding: { resource, namespace, name, uid },
        type: "Warning",
        reason: "InvariantBroken",
        message: `${invariant}: ${message} (revision ${revision})`,
      },
    ]);
  }
}
