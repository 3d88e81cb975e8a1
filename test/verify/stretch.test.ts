import { describe, expect, it } from "vitest";
import { followLog } from "../../services/verify/follow.ts";
import { verifyStretch } from "../../services/verify/stretch.ts";
import type { Violation } from "../../services/verify/verifier.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { historyInMemory } from "../../shared/log/memory-history.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import type { Version } from "../../shared/store/store.ts";
import { keyOfObject, pod, replicaSet } from "./objects.ts";

/** A log that is written to by hand, and its history. */
class Log {
  readonly runtime = new SeededRuntime();
  readonly store = new MemoryStore(this.runtime);
  readonly violations: Violation[] = [];
  readonly #versions: Version[] = [];
  readonly #decisions: DecisionRecord[] = [];
  readonly history = historyInMemory({
    logs: { cluster: this.store, events: this.store, leases: this.store },
    versions: this.#versions,
    decisions: this.#decisions,
  });

  constructor() {
    this.store.watch("", 0, {
      version: (version) => void this.#versions.push(version),
      failed: (error) => {
        throw error;
      },
    });
  }

  async write(actor: string, ...objects: KubernetesObject[]): Promise<void> {
    const headers = { actor, replica: `${actor}-1`, trace: `t${this.#versions.length}`, cause: 1 };
    const writes = objects.map((object) => ({
      key: keyOfObject(object),
      value: encodeObject(object),
    }));
    await this.store.commit(writes, headers);
    await this.runtime.settle();
  }

  /** Records the decision behind the next write, or behind an earlier one. */
  decide(actor: string, decidedAt: number, trace = `t${this.#versions.length}`): void {
    const now = this.runtime.clock.now();
    this.#decisions.push({ actor, trace, decidedAt, now } as DecisionRecord);
  }

  async verify(from: number) {
    const to = await this.store.head();
    const take = (violation: Violation) => void this.violations.push(violation);
    return verifyStretch(this.history, { from, to }, take);
  }
}

const ending = { deletionTimestamp: "2026-01-01T00:00:00Z" };

describe("verifying a stretch of the log", () => {
  it("names the invariant, the objects, the revision and who did it because of what", async () => {
    const log = new Log();
    await log.write("deployment", replicaSet("a", 1));
    await log.write("replicaset", pod("a-1", "a"), pod("a-2", "a"));
    const { verifier } = await log.verify(0);
    expect(verifier.commits).toBe(2);
    expect(log.violations).toMatchObject([
      {
        invariant: "pods-at-most-asked",
        key: "pods/default/a-2",
        revision: 3,
        keys: ["pods/default/a-1", "pods/default/a-2"],
        actor: "replicaset",
        replica: "replicaset-1",
        trace: "t1",
        cause: 1,
      },
    ]);
  });

  it("begins with the state of the revision, and judges only what comes after", async () => {
    const log = new Log();
    await log.write("deployment", replicaSet("a", 1));
    await log.write("replicaset", pod("a-1", "a"), pod("a-2", "a"));
    await log.verify(3);
    expect(log.violations).toEqual([]);
    await log.write("replicaset", pod("a-3", "a"));
    await log.verify(3);
    expect(log.violations.map(({ message }) => message)).toEqual([
      "ReplicaSet default/a asks for 1 pods, has 3",
    ]);
  });

  it("judges a deletion by what was decided on, and says when it does not know", async () => {
    const log = new Log();
    await log.write("deployment", replicaSet("a", 1));
    await log.write("replicaset", pod("a-1", "a"), pod("a-2", "a"));
    await log.write("user", pod("a-1", "a", { meta: ending }));
    // Decided while there were two pods: not its fault.
    log.decide("replicaset", 3);
    await log.write("replicaset", pod("a-2", "a", { meta: ending }));
    const { verifier } = await log.verify(3);
    expect([log.violations, verifier.unknown]).toEqual([[], 0]);
    const blind = new Log();
    await blind.write("deployment", replicaSet("a", 1));
    await blind.write("replicaset", pod("a-1", "a"));
    await blind.write("replicaset", pod("a-1", "a", { meta: ending }));
    const unknown = await blind.verify(2);
    expect([blind.violations, unknown.verifier.unknown]).toEqual([[], 1]);
    const known = new Log();
    await known.write("deployment", replicaSet("a", 1));
    await known.write("replicaset", pod("a-1", "a"));
    known.decide("replicaset", 2);
    await known.write("replicaset", pod("a-1", "a", { meta: ending }));
    await known.verify(2);
    expect(known.violations).toMatchObject([{ invariant: "pods-at-least-asked", decidedAt: 2 }]);
  });

  it("goes on with what the log takes, once its decisions can be known", async () => {
    const log = new Log();
    await log.write("deployment", replicaSet("a", 1));
    await log.write("replicaset", pod("a-1", "a"));
    const begun = await log.verify(0);
    const failures: Error[] = [];
    const running = followLog({
      ...begun,
      runtime: log.runtime,
      history: log.history,
      onViolation: (violation) => void log.violations.push(violation),
      onFailure: (error) => void failures.push(error),
    });
    await log.write("replicaset", pod("a-1", "a", { meta: ending }));
    await log.runtime.advance(1_500);
    expect(log.violations).toEqual([]);
    // The record comes after the commit.
    log.decide("replicaset", 2, "t2");
    await log.runtime.advance(3_000);
    expect(log.violations).toMatchObject([{ invariant: "pods-at-least-asked", revision: 3 }]);
    await running.stop();
    await log.write("replicaset", pod("a-9", "a"), pod("a-8", "a"));
    await log.runtime.advance(10_000);
    expect([log.violations.length, failures]).toEqual([1, []]);
  });
});
