import { describe, expect, it } from "vitest";
import type { Controller, Snapshot } from "../../shared/actor/controller.ts";
import { joinMembership, soleMember } from "../../shared/actor/membership.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import { type RunOptions, runController } from "../../shared/actor/run.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { parseFaults } from "../../shared/faults/language.ts";
import { DECISION_FORMAT } from "../../shared/log/decision.ts";
import type { Key } from "../../shared/store/store.ts";
import { World } from "./world.ts";

const KEY = "primaries/default/a";
const OTHER = "primaries/default/b";

/** Makes `copy` equal to `wanted`; `seen` collects what it decided on. */
function copier(seen: string[] = []): Controller {
  return {
    name: "copier",
    version: 1,
    primary: "primaries",
    wakes: { children: (object, old) => [`primaries/default/${(object ?? old)?.["parent"]}`] },
    reconcile: (key, at) => {
      const object = at.getKey(key);
      seen.push(`${object?.metadata.name} ${object?.["wanted"]} ${object?.["copy"]}`);
      if (object === undefined || object["copy"] === object["wanted"]) return { actions: [] };
      return update(key, { ...object, copy: object["wanted"] });
    },
  };
}

function update(key: Key, object: KubernetesObject): Plan {
  const expect = object.metadata.resourceVersion as string;
  return { actions: [{ op: "update", key, object, expect, claim: true }] };
}

type StartOptions = Partial<RunOptions> & { replica?: string; latencyMs?: number };

async function start(world: World, controller: Controller, more: StartOptions = {}) {
  const { replica = "replica-1", latencyMs, ...options } = more;
  const dependencies = options.dependencies ?? world.dependencies(replica);
  const runtime = dependencies.runtime as ReturnType<typeof world.dependencies>["runtime"];
  const projection = await world.projection(runtime);
  const running = runController(controller, {
    dependencies,
    projection,
    client: world.client(runtime, latencyMs),
    decisions: { append: (record) => void world.decisions.push(record) },
    membership: soleMember,
    ...options,
  });
  return { running, projection, runtime };
}

describe("the run loop", () => {
  it("passes over what is there at the start, and over what changes", async () => {
    const world = new World();
    await world.put("primaries", "a", { wanted: 1 });
    const { running } = await start(world, copier());
    await world.simulator.advance(100);
    await world.put("primaries", "b", { wanted: 2 });
    await world.simulator.advance(100);
    expect((await world.value(KEY))?.["copy"]).toBe(1);
    expect((await world.value(OTHER))?.["copy"]).toBe(2);
    expect(running.counters).toMatchObject({ committed: 2, refused: 0, failed: 0, idle: 2 });
  });

  it("wakes the keys that a rule names, also when the object goes", async () => {
    const world = new World();
    const seen: string[] = [];
    await start(world, copier(seen));
    await world.put("children", "c", { parent: "x" });
    await world.simulator.advance(10);
    await world.remove("children", "c");
    await world.simulator.advance(10);
    expect(seen).toHaveLength(2);
  });

  it("lets a key rest until its version's time is over, or a wake rule names it", async () => {
    const world = new World();
    await world.put("primaries", "a", { wanted: 1 });
    const seen: string[] = [];
    let rests = true;
    const controller = { ...copier(seen), restsUntil: () => (rests ? untilMs : undefined) };
    const untilMs = world.simulator.process("clock").clock.now() + 1_000;
    await start(world, controller);
    await world.put("primaries", "b", { wanted: 1 });
    await world.simulator.advance(900);
    expect(seen).toEqual([]);
    rests = false;
    await world.put("children", "c", { parent: "b" });
    await world.simulator.advance(10);
    expect(seen[0]).toBe("b 1 undefined");
    rests = true;
    await world.simulator.advance(200);
    expect((await world.value(KEY))?.["copy"]).toBe(1);
  });

  it("looks at every key when a wake rule throws, so that no wake-up is lost", async () => {
    const world = new World();
    await world.put("primaries", "a", {});
    const seen: string[] = [];
    const rule = (object: KubernetesObject | undefined) => [object?.["no"]["such"]];
    await start(world, { ...copier(seen), wakes: { children: rule } });
    await world.simulator.advance(10);
    await world.put("children", "c");
    await world.simulator.advance(10);
    expect(seen).toEqual(["a undefined undefined", "a undefined undefined"]);
  });

  it("follows every resource for a controller that asks for `*`", async () => {
    const world = new World();
    const seen: Key[] = [];
    const reconcile = (key: Key): Plan => {
      seen.push(key);
      return { actions: [] };
    };
    await world.put("configmaps", "c");
    await start(world, { name: "all", version: 1, primary: "*", reconcile });
    await world.put("deployments.apps", "d");
    await world.simulator.advance(10);
    expect(seen).toEqual(["configmaps/default/c", "deployments.apps/default/d"]);
  });

  it("makes one pass for many changes of a key that come together", async () => {
    const world = new World();
    const seen: string[] = [];
    await start(world, copier(seen));
    for (const name of ["c", "d", "e"]) await world.put("children", name, { parent: "a" });
    await world.simulator.advance(10);
    expect(seen).toHaveLength(1);
  });

  it("has one pass over a key at a time, and remembers what changes meanwhile", async () => {
    const world = new World();
    const seen: string[] = [];
    await world.put("primaries", "a", { wanted: 1 });
    await start(world, copier(seen), { latencyMs: 50 });
    await world.simulator.advance(10);
    await world.put("children", "c", { parent: "a" });
    await world.simulator.advance(60);
    expect(seen).toEqual(["a 1 undefined"]);
    await world.simulator.advance(100);
    expect(seen).toEqual(["a 1 undefined", "a 1 1"]);
  });

  it("has plans of several keys under way at once, but not more than allowed", async () => {
    const world = new World();
    for (const name of ["a", "b", "c"]) await world.put("primaries", name, { wanted: 1 });
    const { running } = await start(world, copier(), { latencyMs: 50, plansMax: 2 });
    await world.simulator.advance(10);
    expect(running.inFlight).toBe(2);
    await world.simulator.advance(500);
    expect(running.counters.committed).toBe(3);
  });

  it("does not decide on a snapshot older than the key's own last commit", async () => {
    const world = new World();
    const seen: string[] = [];
    await world.put("primaries", "a", { wanted: 1 });
    const { running } = await start(world, copier(seen));
    world.network.faults = parseFaults({ lag: { probability: 1, ms: [300, 300] } });
    await world.simulator.advance(50);
    // Were it to decide now, it would copy again.
    running.wake(KEY);
    await world.simulator.advance(1_000);
    expect(seen[0]).toBe("a 1 undefined");
    expect(new Set(seen.slice(1))).toEqual(new Set(["a 1 1"]));
  });

  it("waits after a refusal for what refused it, then decides anew", async () => {
    const world = new World();
    const seen: string[] = [];
    await world.put("primaries", "a", { wanted: 1 });
    const { running } = await start(world, copier(seen), { latencyMs: 20 });
    world.network.faults = parseFaults({ lag: { probability: 1, ms: [400, 400] } });
    await world.put("primaries", "a", { wanted: 2 });
    await world.simulator.advance(300);
    expect(seen).toEqual(["a 1 undefined"]);
    expect(running.counters.refused).toBe(1);
    await world.simulator.advance(2_000);
    expect((await world.value(KEY))?.["copy"]).toBe(2);
    expect(world.decisions.map((record) => record.outcome)).toEqual(["refused", "committed"]);
  });

  it("tries a failing key again with growing pauses, alone, and records it", async () => {
    const world = new World();
    const times: number[] = [];
    const controller: Controller = {
      ...copier(),
      reconcile: (key, at) => {
        if (key !== KEY) return copier().reconcile(key, at);
        times.push(world.simulator.nowMs);
        throw new Error("broken");
      },
    };
    await world.put("primaries", "a", { wanted: 1 });
    await world.put("primaries", "b", { wanted: 1 });
    const { running } = await start(world, controller);
    await world.simulator.advance(20_000);
    const pauses = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(pauses.length).toBeGreaterThan(5);
    expect(pauses.at(-1)).toBeGreaterThan(8 * (pauses[0] as number));
    expect((await world.value(OTHER))?.["copy"]).toBe(1);
    expect(running.counters.failed).toBe(times.length);
    const failed = world.decisions.find((record) => record.outcome === "failed");
    expect(failed).toMatchObject({ key: KEY, message: "broken", actor: "copier" });
  });

  it("decides soon on a failing key when something about it changes", async () => {
    const world = new World();
    let broken = true;
    const controller: Controller = {
      ...copier(),
      reconcile: (key, at) => {
        if (broken) throw new Error("broken");
        return copier().reconcile(key, at);
      },
    };
    await world.put("primaries", "a", { wanted: 1 });
    await start(world, controller);
    await world.simulator.advance(60_000);
    broken = false;
    await world.put("primaries", "a", { wanted: 2 });
    await world.simulator.advance(200);
    expect((await world.value(KEY))?.["copy"]).toBe(2);
  });

  it("asks again after requeueAfterMs, even though nothing changes", async () => {
    const world = new World();
    const seen: number[] = [];
    const reconcile = (_key: Key, at: Snapshot): Plan => {
      seen.push(at.now);
      return { actions: [], ...(seen.length < 3 ? { requeueAfterMs: 5_000 } : {}) };
    };
    await world.put("primaries", "a");
    await start(world, { ...copier(), reconcile });
    await world.simulator.advance(60_000);
    const [first = 0, second = 0] = seen;
    expect(seen).toHaveLength(3);
    expect(second - first).toBe(5_000);
  });

  it("carries out effects after the commit, and retries the key when one fails", async () => {
    const world = new World();
    const calls: string[] = [];
    const reconcile = (key: Key, at: Snapshot): Plan => {
      const object = at.getKey(key) as KubernetesObject;
      if (calls.length >= 2) return { actions: [] };
      const effects = [{ kind: "dial", number: 1 }];
      return object["copy"]
        ? { actions: [], effects }
        : { ...update(key, { ...object, copy: 1 }), effects };
    };
    const dial: NonNullable<RunOptions["drivers"]>[string] = async (effect, { revision }) => {
      calls.push(`${effect["number"]} at ${revision}`);
      if (calls.length === 1) throw new Error("busy");
    };
    await world.put("primaries", "a");
    await start(world, { ...copier(), reconcile }, { drivers: { dial } });
    await world.simulator.advance(5_000);
    expect(calls).toEqual(["1 at 2", "1 at 2"]);
  });

  it("publishes the events of committed plans, many at a time", async () => {
    const world = new World();
    const regarding = { resource: "primaries", namespace: "default", name: "a", uid: "uid-a" };
    const events = [{ regarding, type: "Normal", reason: "Copied", message: "done" }] as const;
    const controller: Controller = {
      ...copier(),
      reconcile: (key, at) => ({
        ...copier().reconcile(key, at),
        ...(at.getKey(key)?.["copy"] ? {} : { events }),
      }),
    };
    await world.put("primaries", "a", { wanted: 1 });
    await world.put("primaries", "b", { wanted: 1 });
    await start(world, controller);
    await world.simulator.advance(1_000);
    expect(world.events).toEqual([
      { actor: "copier", replica: "replica-1", events: [events[0], events[0]] },
    ]);
  });

  it("records what it decided, on which revision, why, and what came of it", async () => {
    const world = new World();
    await start(world, copier());
    const cause = await world.put("primaries", "a", { wanted: 1 });
    await world.simulator.advance(100);
    expect(world.decisions).toHaveLength(1);
    expect(world.decisions[0]).toMatchObject({
      format: DECISION_FORMAT,
      actor: "copier",
      replica: "replica-1",
      version: 1,
      key: KEY,
      cause,
      decidedAt: cause,
      outcome: "committed",
      revision: cause + 1,
    });
    expect(world.requests[0]?.trace).toBe(world.decisions[0]?.trace);
  });

  it("stops: lets the plan under way settle and takes nothing more", async () => {
    const world = new World();
    await world.put("primaries", "a", { wanted: 1 });
    const { running } = await start(world, copier(), { latencyMs: 50 });
    await world.simulator.advance(10);
    await world.simulator.complete(running.stop());
    expect((await world.value(KEY))?.["copy"]).toBe(1);
    await world.put("primaries", "b", { wanted: 1 });
    await world.simulator.advance(1_000);
    expect(world.requests).toHaveLength(1);
  });
});

describe("several replicas", () => {
  const names = Array.from({ length: 30 }, (_, index) => `n${index}`);

  async function three(world: World, controller: Controller) {
    const replicas = [];
    for (const replica of ["r1", "r2", "r3"]) {
      const dependencies = world.dependencies(replica);
      const membership = joinMembership(dependencies, "copier");
      replicas.push(await start(world, controller, { dependencies, membership }));
    }
    await world.simulator.advance(200);
    return replicas;
  }

  it("share the keys and hardly ever meet on one", async () => {
    const world = new World();
    const replicas = await three(world, copier());
    for (const name of names) await world.put("primaries", name, { wanted: 1 });
    await world.simulator.advance(1_000);
    const committed = replicas.map(({ running }) => running.counters.committed);
    expect(Math.min(...committed)).toBeGreaterThan(2);
    expect(committed.reduce((sum, count) => sum + count, 0)).toBe(names.length);
    expect(world.decisions.every((record) => record.outcome === "committed")).toBe(true);
  });

  it("take over within a second what one left behind when it died", async () => {
    const world = new World();
    const replicas = await three(world, copier());
    replicas[0]?.runtime.crash();
    for (const name of names) await world.put("primaries", name, { wanted: 1 });
    await world.simulator.advance(1_000);
    for (const name of names) {
      expect((await world.value(`primaries/default/${name}`))?.["copy"]).toBe(1);
    }
  });
});
