import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { Action } from "../../../shared/actor/plan.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { Revision } from "../../../shared/store/store.ts";
import type { ProjectionReader } from "../../../shared/store/view.ts";
import type { Engine } from "../request.ts";
import {
  hasService,
  leaseActions,
  leaseKeyOf,
  type ServingAddress,
  serviceActions,
  servingAddresses,
} from "./kubernetes-service.ts";
import { bootstrapObjects } from "./objects.ts";
import { standingActions } from "./reconcile.ts";

export interface BootstrapOptions {
  readonly engine: Engine;
  readonly projections: Readonly<Record<"cluster" | "leases", ProjectionReader>>;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Unique name of this replica of the apiserver. */
  readonly replica: string;
  /** Where pods reach this replica; undefined: it is not announced. */
  readonly serving?: ServingAddress;
  /** Address of the Service `kubernetes`: the first of the service network. */
  readonly serviceAddress: string;
}

/** How often the standing objects are looked after, milliseconds. */
const PERIOD_MS = 10_000;
/** Refusals in a row before the beginning fails; every replica of a start wins one in turn. */
const ATTEMPTS = 50;
/**
 * How long what was written may take to be shown here. At the beginning others may read the same
 * long log, and there is nothing better to do than to wait; who waits is told so now and then.
 */
const WAIT_MS = { first: 10 * 60_000, later: 5_000 };
const TELL_MS = 5_000;
const USER = { username: "system:apiserver", groups: ["system:masters", "system:authenticated"] };

export interface Bootstrap extends Running {
  /** Puts this replica, which serves now, among the endpoints of the Service `kubernetes`. */
  announce(): Promise<void>;
}

/**
 * Brings the objects that every cluster has into being and keeps them: namespaces, roles and
 * bindings, and the Service `kubernetes` with this replica among its endpoints. Any number of
 * replicas may do so at once: who decided on an old state is refused, and looks again.
 * Resolves when everything is there that requests rely on.
 */
export async function startBootstrap(options: BootstrapOptions): Promise<Bootstrap> {
  const keeper = new Keeper(options);
  await keeper.prepare();
  let busy: Promise<void> = Promise.resolve();
  let working = false;
  const cancel = options.runtime.timers.every(PERIOD_MS, () => {
    if (working) return;
    working = true;
    busy = keeper
      .keep()
      .catch((error) => options.logger.warn({ error }, "standing objects"))
      .finally(() => {
        working = false;
      });
  });
  return {
    announce: () => keeper.announce(WAIT_MS.first),
    stop: async () => {
      cancel();
      await busy;
      await keeper.leave().catch((error) => options.logger.warn({ error }, "leaving"));
    },
  };
}

class Keeper {
  readonly #options: BootstrapOptions;
  readonly #wanted = bootstrapObjects();

  constructor(options: BootstrapOptions) {
    this.#options = options;
  }

  async keep(): Promise<void> {
    await this.#stand(WAIT_MS.later);
    await this.announce(WAIT_MS.later);
  }

  /** Nobody else may have taken the Service's address when the first request is answered. */
  async prepare(): Promise<void> {
    await this.#stand(WAIT_MS.first);
    const { cluster } = this.#options.projections;
    if (!hasService(cluster)) await this.announce(WAIT_MS.first);
  }

  async #stand(waitMs: number): Promise<void> {
    const { cluster } = this.#options.projections;
    await this.#commit(cluster, () => standingActions(this.#wanted, cluster), { waitMs });
  }

  async announce(waitMs: number): Promise<void> {
    const { projections, serving, serviceAddress, runtime } = this.#options;
    if (serving === undefined) return;
    const { cluster, leases } = projections;
    const now = runtime.clock.now();
    await this.#commit(leases, () => leaseActions(serving, leases, now), {
      waitMs,
      rounds: 1,
    });
    const addresses = () => servingAddresses(serving, leases, now);
    await this.#commit(cluster, () => serviceActions(addresses(), serviceAddress, cluster), {
      waitMs,
    });
  }

  /** Takes this replica out of the endpoints, unless it is the last one. */
  async leave(): Promise<void> {
    const { projections, serving, serviceAddress, runtime } = this.#options;
    if (serving === undefined) return;
    const { cluster, leases } = projections;
    const waitMs = WAIT_MS.later;
    const key = leaseKeyOf(serving);
    const uid = leases.get(key)?.object.metadata.uid;
    if (uid !== undefined) {
      const actions = (): Action[] => (leases.get(key) ? [{ op: "delete", key, uid }] : []);
      await this.#commit(leases, actions, { waitMs, rounds: 1 });
    }
    const others = servingAddresses(serving, leases, runtime.clock.now()).filter(
      ({ address, port }) => address !== serving.address || port !== serving.port,
    );
    if (others.length === 0) return;
    await this.#commit(cluster, () => serviceActions(others, serviceAddress, cluster), { waitMs });
  }

  /** Decides and commits until there is nothing left to do, at most `rounds` times successfully. */
  async #commit(
    projection: ProjectionReader,
    decide: () => Action[],
    { waitMs, rounds = Number.POSITIVE_INFINITY }: { waitMs: number; rounds?: number },
  ): Promise<void> {
    const { engine, runtime, replica } = this.#options;
    let done = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const actions = decide();
      if (actions.length === 0 || done >= rounds) return;
      const trace = runtime.ids.ulid();
      const plan = { user: USER, actor: "apiserver", replica, trace, cause: 0, actions };
      const result = await engine.plan(plan);
      if (result.outcome === "committed") {
        await this.#arrived(projection, result.revision, waitMs);
        done++;
      } else if (result.status.code !== 409 && result.status.code !== 404) {
        throw new Error(`standing objects were refused: ${result.status.message}`);
      } else await runtime.timers.sleep(20);
    }
    throw new Error("standing objects could not be brought into being: refused again and again");
  }

  async #arrived(projection: ProjectionReader, revision: Revision, waitMs: number): Promise<void> {
    const { runtime, logger } = this.#options;
    const cancel = runtime.timers.every(TELL_MS, () => {
      logger.info({ revision, at: projection.revision }, "waiting for the log to arrive here");
    });
    try {
      await projection.waitFor(revision, waitMs);
    } finally {
      cancel();
    }
  }
}
