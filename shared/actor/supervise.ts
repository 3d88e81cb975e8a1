import { type BackoffOptions, backoffMs } from "./backoff.ts";
import type { ActorDependencies, Running } from "./dependencies.ts";

export interface SupervisionPolicy extends BackoffOptions {
  /** More restarts than this within `windowMs`, and the failure is passed on. */
  readonly restartsMax: number;
  readonly windowMs: number;
}

export const DEFAULT_POLICY: SupervisionPolicy = {
  baseMs: 100,
  maxMs: 5_000,
  restartsMax: 10,
  windowMs: 60_000,
};

export interface Supervised {
  readonly name: string;
  /**
   * Starts the actor. `fail` reports that it cannot go on; it is stopped and started again. A
   * rejection is a failure too.
   */
  start(fail: (error: Error) => void): Promise<Running>;
  /** The actor keeps failing: its surroundings are broken, and whoever owns them must act. */
  escalate(error: Error): void;
}

/** Keeps an actor running: restarts it with back-off, and escalates when that does not help. */
export function supervise(
  dependencies: Pick<ActorDependencies, "runtime" | "logger">,
  actor: Supervised,
  policy: SupervisionPolicy = DEFAULT_POLICY,
): Running {
  const supervisor = new Supervisor(dependencies, actor, policy);
  supervisor.start();
  return supervisor;
}

class Supervisor implements Running {
  readonly #dependencies: Pick<ActorDependencies, "runtime" | "logger">;
  readonly #actor: Supervised;
  readonly #policy: SupervisionPolicy;
  /** When the restarts within the window were, on the monotonic clock. */
  #restarts: number[] = [];
  /** Grows with each start, so that a late report of an earlier life is told apart. */
  #life = 0;
  #running: Promise<Running | undefined> = Promise.resolve(undefined);
  #stopped = false;

  constructor(
    dependencies: Pick<ActorDependencies, "runtime" | "logger">,
    actor: Supervised,
    policy: SupervisionPolicy,
  ) {
    this.#dependencies = dependencies;
    this.#actor = actor;
    this.#policy = policy;
  }

  start(): void {
    const life = ++this.#life;
    const fail = (error: unknown): void => this.#failed(life, asError(error));
    this.#running = this.#actor.start(fail).catch((error: unknown) => {
      fail(error);
      return undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const running = await this.#running;
    await running?.stop();
  }

  #failed(life: number, error: Error): void {
    if (life !== this.#life || this.#stopped) return;
    this.#life++;
    const { runtime, logger } = this.#dependencies;
    const now = runtime.clock.monotonic();
    this.#restarts = this.#restarts.filter((time) => now - time < this.#policy.windowMs);
    this.#restarts.push(now);
    const fields = { actor: this.#actor.name, restarts: this.#restarts.length, err: error };
    if (this.#restarts.length > this.#policy.restartsMax) {
      logger.error(fields, "actor keeps failing");
      this.#stopped = true;
      this.#actor.escalate(error);
      return;
    }
    logger.warn(fields, "actor failed; it is started again");
    void this.#restart();
  }

  async #restart(): Promise<void> {
    const { runtime, logger } = this.#dependencies;
    const random = runtime.random.stream("supervise/backoff");
    const former = await this.#running;
    await former?.stop().catch((error: unknown) => {
      logger.warn({ actor: this.#actor.name, err: asError(error) }, "could not stop the actor");
    });
    this.#running = Promise.resolve(undefined);
    await runtime.timers.sleep(backoffMs(this.#restarts.length, this.#policy, random));
    if (!this.#stopped) this.start();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
