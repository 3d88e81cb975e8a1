import { beforeAll, expect, it } from "vitest";
import { showFork } from "../../services/cli/history/fork.ts";
import { ACTORS } from "../../services/replay/actors.ts";
import { type Fork, fork } from "../../services/replay/fork.ts";
import { reportOf } from "../../services/replay/replay.ts";
import type { Node, Pod } from "../../shared/api/generated/types.ts";
import { objectOf } from "../../shared/log/changes.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { World } from "../history/world.ts";
import { deployment } from "./life.ts";

const MINUTE_MS = 60_000;
const create = { verb: "create", resource: "deployments.apps", namespace: "default" } as const;

let world: World;
/** At the beginning of a rollout; then the nodes die. */
let moment: { revision: number; time: number };
beforeAll(async () => {
  world = await World.start();
  await world.ask("alice", { ...create, body: deployment("web", 6) });
  moment = { revision: await world.history.logs.cluster.head(), time: world.now };
  for (const node of ["node-1", "node-2", "node-3"]) world.crash(node);
  await world.advance(2 * MINUTE_MS);
});

async function objects<T>({ history }: Pick<Fork, "history">, prefix: string): Promise<T[]> {
  const { versions } = await history.logs.cluster.list(prefix);
  return versions.map((version) => objectOf(version) as never as T);
}

const isReady = ({ status }: Pod | Node) =>
  (status?.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True");

function forked(more: { revision?: number; time?: number; seed?: number } = {}): Promise<Fork> {
  const { history } = world;
  return fork({ history, ...moment, seed: 1, forMs: MINUTE_MS, ...more });
}

it("goes on from the moment as if its nodes lived", async () => {
  const before = await world.history.logs.cluster.list("pods/", moment.revision);
  expect(before.versions).toEqual([]);
  const { history, revision, time, nodes, errors } = await forked();
  expect(errors).toEqual([]);
  expect([nodes, time]).toEqual([3, moment.time + MINUTE_MS]);
  expect(revision).toBeGreaterThan(moment.revision);
  const pods = await objects<Pod>({ history }, "pods/");
  expect(pods.map(isReady)).toEqual(Array(6).fill(true));
  expect((await objects<Node>({ history }, "nodes/")).map(isReady)).toEqual(Array(3).fill(true));
  // What came before is as it was, and the cluster itself knows nothing of the fork.
  const there = await history.logs.cluster.list("", moment.revision);
  const here = await world.history.logs.cluster.list("", moment.revision);
  expect(there.versions.map(({ key, revision: at }) => `${key} ${at}`)).toEqual(
    here.versions.map(({ key, revision: at }) => `${key} ${at}`),
  );
});

it("goes the same way with the same seed", async () => {
  const [one, other] = [await forked({ seed: 7 }), await forked({ seed: 7 })];
  const text = async (each: Fork) =>
    (await each.history.logs.cluster.list("")).versions
      .map(({ value }) => String(value))
      .join("\n");
  expect(await text(one)).toBe(await text(other));
});

it("leaves nodes silent that were", async () => {
  const time = world.now;
  const revision = await world.history.logs.cluster.head();
  const late = await forked({ time, revision });
  expect(late.nodes).toBe(0);
  expect((await objects<Node>(late, "nodes/")).some(isReady)).toBe(false);
});

it("is a history that is decided again like any other", async () => {
  const { history, revision } = await forked();
  const runtime = new SeededRuntime();
  const stretch = { from: moment.revision, to: revision };
  const { actors } = await reportOf({ history, runtime, ...stretch, actors: ACTORS });
  expect(actors.map(({ actor }) => actor)).toContain("scheduler");
  for (const { different, skipped } of actors) expect([different, skipped]).toEqual([0, {}]);
});

it("says what has changed", async () => {
  const parts: string[] = [];
  const output = { write: (part: string) => void parts.push(part), now: () => world.now };
  const flags = { seed: 3, for: MINUTE_MS, serve: false };
  expect(await showFork(world.history, String(moment.revision), flags, output)).toBe(0);
  expect(parts.join("")).toMatch(
    /^Revision \d+ \(.*\) went on for 1 min 0 s in .*, with seed 3 and 3 played nodes/,
  );
  expect(parts.join("")).toMatch(/~ {2}deployments\.apps\/default\/web +\d+ fields/);
});
