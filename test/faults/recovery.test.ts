import { expect, it } from "vitest";
import { Recovery } from "../../services/chaos/recovery.ts";

const work = (at: number, replica: string, key: string, actor = "deployment") => ({
  actor,
  replica,
  key,
  at,
});

it("measures from a kill to another replica's first work on a key of the dead one", () => {
  const recovery = new Recovery();
  const kills = [{ process: "control", pid: 7, at: 1_000 }];
  recovery.addWork(kills, [
    work(100, "control-7", "a"),
    work(200, "control-2-8", "b"),
    work(1_050, "control-2-8", "b"),
    work(1_600, "control-2-8", "a"),
    work(1_900, "control-2-8", "a"),
  ]);
  const figures = { kills: 1, measured: 1, p50: 600, p99: 600, worst: 600 };
  expect(recovery.rows()).toEqual([{ actor: "deployment", ...figures }]);
});

it("does not measure a kill after which nothing was to be done", () => {
  const recovery = new Recovery();
  const kills = [{ process: "control", pid: 7, at: 1_000 }];
  recovery.addWork(kills, [work(100, "control-7", "a"), work(60_000, "control-2-8", "a")]);
  expect(recovery.rows()[0]).toMatchObject({ kills: 1, measured: 0 });
});

it("keeps the actors of a process apart", () => {
  const recovery = new Recovery();
  const kills = [{ process: "control", pid: 7, at: 1_000 }];
  recovery.addWork(kills, [
    work(100, "control-7", "a"),
    work(100, "control-7", "s", "replicaset"),
    work(1_200, "control-9", "s", "replicaset"),
    work(1_700, "control-9", "a"),
  ]);
  expect(recovery.rows().map(({ actor, worst }) => [actor, worst])).toEqual([
    ["deployment", 700],
    ["replicaset", 200],
  ]);
});
