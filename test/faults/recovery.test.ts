import { expect, it } from "vitest";
import type { Target } from "../../services/chaos/operator.ts";
import { killOf, Recovery, type Work } from "../../services/chaos/recovery.ts";
import { ownerAmong } from "../../shared/actor/membership.ts";

const FIRST = "control-7";
const SECOND = "control-2-8";

const target = (name: string, pid: number, actors: readonly string[]): Target => ({
  name,
  pid,
  paused: false,
  restarts: 0,
  answers: true,
  actors,
  replicas: actors.map((actor) => ({ actor, replica: `${name}-${pid}` })),
});
const ACTORS = ["deployment", "scheduler"];
const TARGETS = [target("control", 7, ACTORS), target("control-2", 8, ACTORS)];
const kill = (at: number) => killOf(TARGETS[0] as Target, at, TARGETS);

const KEYS = Array.from({ length: 50 }, (_, index) => `deployments.apps/default/web-${index}`);
const owned = (by: string) => KEYS.filter((key) => ownerAmong([FIRST, SECOND], key) === by);
const [DEAD_KEY = "", OTHER_DEAD_KEY = ""] = owned(FIRST);
const [LIVING_KEY = ""] = owned(SECOND);

function work(at: number, key: string, more: Partial<Work> = {}): Work {
  return { actor: "deployment", replica: SECOND, key, at, due: 0, ...more };
}

function rowsOf(done: readonly Work[], kills = [kill(1_000)]) {
  const recovery = new Recovery();
  recovery.addWork(kills, done);
  return recovery.rows();
}

it("measures from a kill to somebody else's first work on a key of the dead one", () => {
  const [deployment] = rowsOf([
    work(900, DEAD_KEY),
    work(1_050, LIVING_KEY),
    work(1_100, DEAD_KEY, { replica: FIRST }),
    work(1_600, DEAD_KEY, { due: 1_400 }),
    work(1_900, OTHER_DEAD_KEY),
  ]);
  const figures = { kills: 1, measured: 1, p50: 600, p99: 600, worst: 600 };
  expect(deployment).toEqual({ actor: "deployment", ...figures });
});

it("does not measure a kill after which nothing was to be done at first", () => {
  const late = work(8_000, DEAD_KEY, { due: 7_990 });
  expect(rowsOf([late])[0]).toMatchObject({ kills: 1, measured: 0 });
  expect(rowsOf([work(60_000, DEAD_KEY)])[0]).toMatchObject({ kills: 1, measured: 0 });
});

it("takes work that had been due for measured, however late it is done", () => {
  expect(rowsOf([work(8_000, DEAD_KEY, { due: 1_200 })])[0]).toMatchObject({ worst: 7_000 });
});

it("measures from the later of two deaths, unless nobody had taken over in between", () => {
  const [one, two] = TARGETS as [Target, Target];
  const next = { ...one, pid: 9, replicas: [{ actor: "deployment", replica: "control-9" }] };
  const members = [two, next];
  const key = KEYS.find(
    (each) =>
      ownerAmong([FIRST, SECOND], each) === FIRST &&
      ownerAmong([SECOND, "control-9"], each) === SECOND,
  ) as string;
  const done = [work(9_500, key, { replica: "control-9" })];
  const killsAt = (at: number) => [kill(1_000), killOf(two, at, members)];
  const [late] = rowsOf(done, killsAt(9_000));
  expect(late).toMatchObject({ kills: 2, measured: 1, worst: 500 });
  const [soon] = rowsOf(done, killsAt(1_500));
  expect(soon).toMatchObject({ kills: 2, measured: 2, worst: 8_500 });
});

it("keeps the actors of a process apart, and takes them together in the end", () => {
  const recovery = new Recovery();
  recovery.addWork(
    [kill(1_000)],
    [work(1_700, DEAD_KEY), work(1_200, DEAD_KEY, { actor: "scheduler" })],
  );
  expect(recovery.rows().map(({ actor, worst }) => [actor, worst])).toEqual([
    ["deployment", 700],
    ["scheduler", 200],
  ]);
  expect(recovery.total()).toMatchObject({ kills: 2, measured: 2, p50: 200, worst: 700 });
});

it("expects a node's agent back in its own process", () => {
  const node = target("node-a", 3, ["kubelet"]);
  const other = target("node-b", 4, ["kubelet"]);
  const kills = [killOf(node, 1_000, [node, other])];
  const pod = (at: number, replica: string) =>
    work(at, "pods/default/web", { actor: "kubelet", replica });
  const done = [pod(1_100, "node-b-4"), pod(1_800, "node-a-5")];
  expect(rowsOf(done, kills)[0]).toMatchObject({ measured: 1, worst: 800 });
});
