import type { Runtime } from "../runtime/runtime.ts";
import type { PlanRequest, PlanResponse } from "./api.ts";
import type { ApiClient } from "./client.ts";
import type { Logger } from "./dependencies.ts";

/** A plan to be sent with others that have nothing to do with it. */
export interface PlanOffer {
  /** Called when its turn comes, to decide on what is known then; undefined: not wanted now. */
  readonly make: () => PlanRequest | undefined;
  /** undefined: nobody could take the plan, or whether one did is unknown. */
  readonly answered: (response: PlanResponse | undefined) => void;
}

/** Few enough that the apiserver serves others between two requests. */
const PLANS_PER_REQUEST = 32;
/** Some are decided while those before are written: a request takes as long as the disk. */
const REQUESTS_MAX = 4;

/**
 * Sends the plans of an actor that has many at once, a number of them in each request and few
 * requests at a time: what waits, waits here and not at the apiserver, and is decided as late as
 * possible.
 */
export class PlanBatcher {
  readonly #client: ApiClient;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  #offers: PlanOffer[] = [];
  #underWay = 0;
  #due = false;

  constructor(client: ApiClient, { runtime, logger }: { runtime: Runtime; logger: Logger }) {
    this.#client = client;
    this.#runtime = runtime;
    this.#logger = logger;
  }

  offer(offer: PlanOffer): void {
    this.#offers.push(offer);
    if (this.#due) return;
    this.#due = true;
    this.#runtime.timers.after(0, () => {
      this.#due = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#underWay < REQUESTS_MAX && this.#offers.length > 0) {
      const taken = this.#offers.slice(0, PLANS_PER_REQUEST);
      this.#offers = this.#offers.slice(PLANS_PER_REQUEST);
      const made = taken.flatMap((offer) => {
        const plan = offer.make();
        return plan === undefined ? [] : [{ offer, plan }];
      });
      if (made.length > 0) void this.#send(made);
    }
  }

  async #send(made: readonly { offer: PlanOffer; plan: PlanRequest }[]): Promise<void> {
    this.#underWay++;
    let responses: readonly (PlanResponse | undefined)[] = [];
    try {
      responses = await this.#client.plans(made.map(({ plan }) => plan));
    } catch (error) {
      this.#logger.warn({ err: error, plans: made.length }, "plans could not be committed");
    }
    this.#underWay--;
    made.forEach(({ offer }, index) => {
      offer.answered(responses[index]);
    });
    this.#pump();
  }
}
