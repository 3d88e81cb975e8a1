import type { Version } from "../../../shared/store/store.ts";
import type { SimulatedRun } from "../run.ts";
import type { LearntPlan } from "./plans.ts";

const DOWN_MS = 1_000;
const STALE_MS = 4_000;
/** Long enough for the user's next operation to begin. */
const STALE_APISERVERS_MS = 6_000;
const UNOBSERVED_MS = 3_000;
/** So many operations later a late plan arrives: its own, and the next one. */
const LATE_OPERATIONS = 2;
const LATE_POLL_MS = 500;

/** A process is back, and has done what waited for it, so long after it was let go. */
const AFTERMATH_MS = 2_000;

/** Makes a plan come true in a run; `happened` tells whether its moment has come. */
export class Sabotage {
  readonly #run: SimulatedRun;
  readonly #plan: LearntPlan;
  happened = false;
  #until = 0;

  constructor(run: SimulatedRun, plan: LearntPlan) {
    this.#run = run;
    this.#plan = plan;
    if (plan.fault.type === "late plan") this.#catchPlan(plan.fault.trace);
    run.logs.cluster.store.watch("", 0, {
      version: (version) => this.#see(version),
      failed: (error) => {
        throw error;
      },
    });
  }

  /** Whether what the plan does has not passed yet. A late plan waits for the user instead. */
  get lasts(): boolean {
    return this.happened && this.#run.simulator.nowMs < this.#until;
  }

  /** Whether the user shall do something else at once, while it lasts. */
  get hurries(): boolean {
    return this.lasts && this.#plan.fault.type === "stale apiservers";
  }

  #see({ revision, key }: Version): void {
    const { fault, process } = this.#plan;
    const { held } = this.#run.logs.cluster;
    if (fault.type === "unobserved" && key === fault.key && revision > fault.revision) {
      held.delete(process);
    }
    if (fault.type === "late plan" || revision !== fault.revision) return;
    this.happened = true;
    this.#until = this.#run.simulator.nowMs + DOWN_MS + AFTERMATH_MS;
    switch (fault.type) {
      case "crash":
        this.#crash();
        break;
      case "restart on a stale view":
        this.#crash();
        this.#hold([process], fault.view, DOWN_MS + STALE_MS);
        break;
      case "stale apiservers": {
        const all = this.#run.cluster.alive().map(({ name }) => name);
        const servers = all.filter((name) => name.startsWith("apiserver-"));
        this.#hold(servers, revision - 1, STALE_APISERVERS_MS);
        break;
      }
      case "unobserved":
        this.#hold([process], revision - 1, UNOBSERVED_MS);
        break;
    }
  }

  #crash(): void {
    this.#process()?.crash();
    this.#run.cluster.restart(this.#plan.process, DOWN_MS);
  }

  #hold(processes: readonly string[], view: number, forMs: number): void {
    const { held } = this.#run.logs.cluster;
    for (const process of processes) held.set(process, view);
    this.#until = this.#run.simulator.nowMs + forMs + AFTERMATH_MS;
    this.#run.simulator.timers.after(forMs, () => {
      for (const process of processes) held.delete(process);
    });
  }

  #catchPlan(trace: string): void {
    const { network } = this.#run;
    network.holdsBack = (from, data) => {
      if (from.name !== this.#plan.process || !Buffer.from(data).includes(trace)) return false;
      if (!this.happened) this.#cutOff();
      this.happened = true;
      return true;
    };
  }

  /** The plan is on its way; from now on its sender hears nothing, and nobody hears it. */
  #cutOff(): void {
    const { network, simulator, user } = this.#run;
    const process = this.#process();
    if (process === undefined) return;
    network.cut(process, { send: true, receive: true });
    const end = user.done + LATE_OPERATIONS;
    const look = (): void => {
      if (user.done < end && !user.finished) {
        simulator.timers.after(LATE_POLL_MS, look);
        return;
      }
      network.release();
      simulator.timers.after(DOWN_MS, () => network.cut(process, undefined));
    };
    simulator.timers.after(LATE_POLL_MS, look);
  }

  #process() {
    return this.#run.cluster.alive().find(({ name }) => name === this.#plan.process);
  }
}
