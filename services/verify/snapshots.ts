import type { History } from "../../shared/log/history.ts";
import type { Revision } from "../../shared/store/store.ts";
import { JUDGED } from "./verifier.ts";

/** Read at once: records hold whole plans, of which only the snapshot is kept. */
const WINDOW_MS = 600_000;
/** A plan is committed at most so long after its decision, clocks apart. */
const LATE_MS = 60_000;
const KEPT_MAX = 200_000;

/** On which snapshots decisions were made, by trace; from the records of decisions. */
export class Snapshots {
  readonly #history: History;
  readonly #byTrace = new Map<string, Revision>();

  constructor(history: History) {
    this.#history = history;
  }

  of(trace: string): Revision | undefined {
    return this.#byTrace.get(trace);
  }

  /** Reads the decisions of commits in the stretch of time; milliseconds since the Unix epoch. */
  async read(from: number, to: number): Promise<void> {
    for (let begin = from - LATE_MS; begin <= to; begin += WINDOW_MS) {
      await this.readRecent(begin, Math.min(begin + WINDOW_MS, to));
    }
  }

  /** Reads the decisions of exactly this stretch. */
  async readRecent(from: number, to: number): Promise<void> {
    for (const actor of JUDGED) {
      await this.#history.eachDecision({ actor, from, to }, ({ trace, decidedAt }) => {
        this.#byTrace.set(trace, decidedAt);
      });
    }
    for (const trace of this.#byTrace.keys()) {
      if (this.#byTrace.size <= KEPT_MAX) break;
      this.#byTrace.delete(trace);
    }
  }
}
