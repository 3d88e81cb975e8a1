import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Revision, Version, WatchHandler } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import type { Actors } from "./actors.ts";
import { Again } from "./again.ts";
import { samePlan } from "./compare.ts";
import { loadOf } from "./load.ts";
import { podsMoved } from "./pace.ts";
import type { Decided, Loads, Verdict } from "./replay.ts";
import type { Due } from "./spool.ts";
import { nodeOf } from "./tally.ts";
import type { Beginning, Walker } from "./walk.ts";

/** Decoded once, looked at by many decisions. */
const DECODED_BYTES = 256 * 1024 * 1024;

/** Makes the decisions of a stretch again with given actors, and tells what comes of each. */
export class Decider implements Walker {
  readonly #runtime: Runtime;
  readonly #actors: Actors;
  readonly #told: (verdict: Verdict) => void;
  #forward: Forward | undefined;
  #again: Again | undefined;

  constructor(runtime: Runtime, actors: Actors, told: (verdict: Verdict) => void) {
    this.#runtime = runtime;
    this.#actors = actors;
    this.#told = told;
  }

  begin({ revision, versions, rootCertificate }: Beginning): void {
    this.#forward = new Forward(this.#runtime, versions, revision);
    this.#again = new Again(this.#forward.projection, this.#actors, rootCertificate);
  }

  version(version: Version): void {
    this.#forward?.take(version);
  }

  decision({ record, at }: Due): void {
    if (this.#again === undefined || this.#forward === undefined) return;
    const decided = this.#again.decide(record, at);
    this.#told(verdictOf(record, decided, this.#forward.projection));
  }
}

function verdictOf(
  record: DecisionRecord,
  decided: Decided | { skipped: string },
  before: ProjectionReader,
): Verdict {
  if ("skipped" in decided) return { type: "skipped", record, why: decided.skipped };
  if (isSame(record, decided)) return { type: "identical", record };
  const moved = {
    recorded: podsMoved(record.plan, before),
    again: "plan" in decided ? podsMoved(decided.plan, before) : 0,
  };
  const loads = loadsOf(record, decided, before);
  return { type: "different", record, again: decided, moved, ...(loads && { loads }) };
}

function loadsOf(
  { plan }: DecisionRecord,
  again: Decided,
  before: ProjectionReader,
): Loads | undefined {
  const [from, to] = [nodeOf(plan), "plan" in again ? nodeOf(again.plan) : undefined];
  if (from === undefined || to === undefined) return undefined;
  return { recorded: loadOf(before, from), again: loadOf(before, to) };
}

function isSame(record: DecisionRecord, decided: Decided): boolean {
  if ("plan" in decided) return samePlan(record.plan, decided.plan);
  return record.outcome === "failed" && record.message === decided.threw;
}

/** A projection that is moved by hand. */
class Forward {
  readonly projection: Projection;
  #handler: WatchHandler | undefined;

  constructor(runtime: Runtime, versions: readonly Version[], revision: Revision) {
    // Nobody but the actors of this program looks at it, so nothing need be frozen.
    const quick = { windowChanges: 0, freeze: false, decodedBytes: DECODED_BYTES };
    this.projection = new Projection({ runtime, lean: true, ...quick });
    void this.projection.follow({
      watch: (_prefix, _from, handler) => {
        this.#handler = handler;
        return { stop: () => undefined };
      },
    });
    const ascending = [...versions].sort((a, b) => a.revision - b.revision);
    for (const version of ascending) this.take({ ...version, more: false });
    this.#handler?.caughtUp?.(revision);
  }

  take(version: Version): void {
    this.#handler?.version(version);
  }
}
