import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportHistory } from "../../services/cli/history/export.ts";
import { showReplay } from "../../services/cli/history/replay.ts";
import { replayWith } from "../../services/cli/history/replay-with.ts";
import { ACTORS, type Actors } from "../../services/replay/actors.ts";
import { reportOf } from "../../services/replay/replay.ts";
import type { Report } from "../../services/replay/tally.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import { parseFaults } from "../../shared/faults/language.ts";
import type { History } from "../../shared/log/history.ts";
import { RecordingReader } from "../../shared/log/recording.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { World } from "../history/world.ts";
import { lifeOf } from "./life.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

async function reportOn(history: History, actors: Actors = ACTORS, from = 0): Promise<Report> {
  const to = await history.logs.cluster.head();
  return reportOf({ history, runtime: new SeededRuntime(), from, to, actors });
}

/** What is not identical, by actor. */
function surprises({ actors }: Report): object[] {
  return actors
    .filter(({ different, skipped }) => different > 0 || Object.keys(skipped).length > 0)
    .map(({ actor, different, skipped, differences }) => ({
      actor,
      different,
      skipped,
      first: differences[0],
    }));
}

function of(report: Report, actor: string) {
  const found = report.actors.find((each) => each.actor === actor);
  if (found === undefined) throw new Error(`no decision of ${actor}`);
  return found;
}

/** The actors, one controller of which decides something else. */
function withController(name: string, change: (real: Controller) => Controller): Actors {
  return {
    ...ACTORS,
    controllers: (settings) =>
      ACTORS.controllers(settings).map((real) => (real.name === name ? change(real) : real)),
  };
}

let world: World;
beforeAll(async () => {
  world = await World.start();
  await lifeOf(world);
});

describe("a history decided again", () => {
  it("is identical for every actor, and complete", async () => {
    const report = await reportOn(world.history);
    expect(surprises(report)).toEqual([]);
    expect(report.actors.map(({ actor }) => actor)).toEqual([
      "deployment",
      "garbage-collector",
      "node-lifecycle",
      "replicaset",
      "root-ca",
      "scheduler",
      "serviceaccount",
      "taint-eviction",
    ]);
    expect(report.actors.map(({ unrecorded }) => unrecorded)).toEqual(report.actors.map(() => 0));
    expect(of(report, "scheduler").decisions).toBeGreaterThan(40);
  });

  it("is identical from any revision on", async () => {
    const head = await world.history.logs.cluster.head();
    for (const from of [head - 200, head - 111, head - 20]) {
      const report = await reportOn(world.history, ACTORS, from);
      expect(surprises(report)).toEqual([]);
      for (const { differences } of report.actors) expect(differences).toEqual([]);
    }
  });

  it("is identical with replicas, refused plans, lost answers and crashes", async () => {
    const faults = parseFaults({
      latency: { ms: [1, 20] },
      lag: { probability: 0.1, ms: [0, 500] },
      unobserved: { coalesce: 0.3 },
      loss: { probability: 0.05 },
      duplicate: { probability: 0.02 },
    });
    const disturbed = await World.start({ replicas: 3, faults });
    await lifeOf(disturbed, () => {
      disturbed.crash("control-1");
      disturbed.restart("control-1");
    });
    const report = await reportOn(disturbed.history);
    expect(surprises(report)).toEqual([]);
    const records = await disturbed.history.decisions({ from: 0, to: Number.MAX_SAFE_INTEGER });
    const assumed = records.filter(({ seen }) => (seen?.pass?.whole?.assumed.length ?? 0) > 0);
    expect(assumed.length, "passes on pods that were not yet seen bound").toBeGreaterThan(0);
    expect(new Set(records.map(({ outcome }) => outcome)).size).toBeGreaterThan(1);
  });

  it("is the same history in a file", async () => {
    const parts: string[] = [];
    const output = { write: (part: string) => void parts.push(part), now: () => world.now };
    const head = await world.history.logs.cluster.head();
    await exportHistory(world.history, `${head - 300}..`, {}, output);
    const reader = new RecordingReader(new SeededRuntime());
    for (const line of parts.join("").split("\n")) reader.line(line);
    const { history } = reader.finish();
    const report = await reportOn(history, ACTORS, head - 300);
    expect(surprises(report)).toEqual([]);
    expect(of(report, "scheduler").decisions).toBeGreaterThan(10);
  });

  it("names a decision that is made otherwise, and its fields", async () => {
    const { text, code } = await shown();
    expect(code).toBe(0);
    expect(text).toMatch(/decisions made again in .*\(\d+\/s\)/);
    const changed = withController("replicaset", (real) => ({
      ...real,
      reconcile: (key, at) => {
        const plan = real.reconcile(key, at);
        return { ...plan, actions: plan.actions.filter(({ op }) => op !== "delete") };
      },
    }));
    const report = await reportOn(world.history, changed);
    expect(surprises(report)).toMatchObject([{ actor: "replicaset" }]);
    const { summary, different } = of(report, "replicaset");
    expect(summary.slower + summary.nothing).toBe(different);
    expect(summary.podsFewer).toBeGreaterThan(0);
  });

  it("says what a controller that throws now would do", async () => {
    const broken = withController("deployment", (real) => ({
      ...real,
      reconcile: () => {
        throw new Error("planted");
      },
    }));
    const { summary, different, decisions } = of(
      await reportOn(world.history, broken),
      "deployment",
    );
    expect([summary.fails, different]).toEqual([decisions, decisions]);
  });

  it("says what cannot be made again, and why", async () => {
    const { logs, version, versionsOf, decisions } = world.history;
    const older: History = {
      logs,
      version,
      versionsOf,
      close: async () => undefined,
      decisions,
      eachDecision: async (range, take) => {
        for (const [index, { seen: _seen, ...rest }] of (await decisions(range)).entries()) {
          if (rest.actor !== "deployment" || index % 2 === 0) take({ ...rest, format: 1 });
        }
      },
    };
    const report = await reportOn(older);
    const { skipped, decisions: count } = of(report, "scheduler");
    expect(Object.values(skipped)).toEqual([count]);
    expect(of(report, "deployment").unrecorded).toBeGreaterThan(0);
  });
});

async function shown(flags: Parameters<typeof showReplay>[2] = {}) {
  const parts: string[] = [];
  const output = { write: (part: string) => void parts.push(part), now: () => world.now };
  const code = await showReplay(world.history, undefined, flags, output);
  return { text: parts.join(""), code };
}

describe("other code that decides the same history", () => {
  const folder = mkdtempSync(join(tmpdir(), "cox-change-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is a checkout whose scheduler scores otherwise", async () => {
    const checkout = join(folder, "checkout");
    for (const part of ["services/controllers", "services/kubelet", "services/scheduler", "shared"])
      cpSync(join(ROOT, part), join(checkout, part), { recursive: true });
    const to = await world.history.logs.cluster.head();
    const question = { history: world.history, from: 0, to };
    expect(surprises(await replayWith(checkout, question))).toEqual([]);
    const scores = join(checkout, "services/scheduler/scores.ts");
    const planted = readFileSync(scores, "utf8").replace(
      "LEAST_ALLOCATED_WEIGHT = 1",
      "LEAST_ALLOCATED_WEIGHT = -5",
    );
    writeFileSync(scores, planted);
    const report = await replayWith(checkout, question);
    expect(surprises(report)).toMatchObject([{ actor: "scheduler" }]);
    const { summary, different } = of(report, "scheduler");
    const moved = Object.values(summary.elsewhere).reduce((sum, count) => sum + count, 0);
    expect(moved).toBe(different);
    const { text, code } = await shown({ with: checkout, actor: "scheduler" });
    expect(code).toBe(0);
    expect(text).toMatch(/scheduler: \d+ of \d+ decisions would have been others/);
    expect(text).toMatch(/\d+ pods placed elsewhere: \d+ × node-\d-0 → node-\d-0/);
    expect(text).toMatch(
      /had on average [\d.]+ pods, cpu [\d.]+ %, .* those that were, [\d.]+ pods/,
    );
    expect(text).toMatch(/node-\d-0 \(\d+ pods?, .*\) → node-\d-0 \(\d+ pods?, /);
    const { loads } = summary;
    expect(loads.again.pods).toBeGreaterThan(loads.recorded.pods);
  });

  it("is a module that exports a controller", async () => {
    const module = join(folder, "idle.mjs");
    writeFileSync(
      module,
      `const reconcile = () => ({ actions: [] });
       export const CHANGE = {
         controllers: [{ name: "replicaset", version: 9, primary: "replicasets.apps", reconcile }],
       };`,
    );
    const { text } = await shown({ with: module });
    expect(text).toMatch(/\d+ decisions do nothing any more/);
  });

  it("is refused in words when it is none", async () => {
    await expect(shown({ with: join(folder, "nowhere") })).rejects.toThrow("There is no");
    const module = join(folder, "broken.mjs");
    writeFileSync(module, "export const CHANGE = {");
    await expect(shown({ with: module })).rejects.toThrow("broken.mjs");
  });
});
