import { describe, expect, it } from "vitest";
import {
  BUSY_MS,
  IDLE_MS,
  LAG_MAX,
  type Load,
  nextTrend,
  QUEUED_MAX,
  type Trend,
} from "../../services/cli/scale/autoscale.ts";
import { loadOf } from "../../services/cli/scale/autoscaler.ts";
import type { ActorState, ProcessState } from "../../shared/actor/orders.ts";

const BOUNDS = { min: 1, max: 3 };
const IDLE: Load = { queued: 0, lag: 0 };
const BUSY: Load = { queued: 10_000, lag: 0 };
const SECOND = 1_000;

/** The replicas after each second of these loads. */
function follow(loads: readonly Load[], start = 1, bounds = BOUNDS): number[] {
  let trend: Trend = { replicas: start };
  return loads.map((load, index) => {
    trend = nextTrend(trend, load, bounds, index * SECOND);
    return trend.replicas;
  });
}

function seconds(count: number, load: Load): Load[] {
  return Array.from({ length: count }, () => load);
}

describe("autoscaling", () => {
  it("adds one replica at a time while there is too much to do, up to the bound", () => {
    const replicas = follow(seconds(20, BUSY));
    const waits = BUSY_MS / SECOND;
    expect(replicas.indexOf(2)).toBe(waits);
    expect(replicas.indexOf(3)).toBe(2 * waits + 1);
    expect(Math.max(...replicas)).toBe(3);
  });

  it("adds none for a burst", () => {
    const loads = [BUSY, IDLE, BUSY, IDLE, BUSY, IDLE, BUSY, IDLE];
    expect(follow(loads)).toEqual(loads.map(() => 1));
  });

  it("follows lag as it follows queues", () => {
    expect(follow(seconds(4, { queued: 0, lag: LAG_MAX + 1 })).at(-1)).toBe(2);
    expect(follow(seconds(4, { queued: 0, lag: LAG_MAX })).at(-1)).toBe(1);
  });

  it("takes one away after a long rest, and stops at the bound", () => {
    const waits = IDLE_MS / SECOND;
    const replicas = follow(seconds(3 * waits, IDLE), 3);
    expect([replicas.indexOf(2), replicas.indexOf(1)]).toEqual([waits, 2 * waits + 1]);
    expect(replicas.at(-1)).toBe(1);
    const rest = seconds(waits - 1, IDLE);
    expect(new Set(follow([...rest, BUSY, ...rest], 2))).toEqual(new Set([2]));
  });

  it("does not go up and down with a load between the limits", () => {
    for (const start of [1, 2, 3]) {
      const load = { queued: QUEUED_MAX * start, lag: 0 };
      expect(new Set(follow(seconds(200, load), start))).toEqual(new Set([start]));
    }
  });

  it("obeys new bounds at once", () => {
    expect(follow([IDLE], 5)).toEqual([3]);
    expect(follow([IDLE], 1, { min: 2, max: 4 })).toEqual([2]);
  });

  it("sums the queues of the replicas, and takes the worst lag", () => {
    const actor = (revision: number, queued: number): ActorState => ({
      actor: "deployment",
      replica: "r",
      log: "cluster",
      revision,
      queued,
    });
    const state = (...actors: ActorState[]): ProcessState => ({
      process: "p",
      pid: 1,
      version: "1",
      uptimeMs: 0,
      memoryBytes: 0,
      cpuMs: 0,
      faults: [],
      actors,
    });
    const states = [state(actor(90, 5)), state(actor(40, 7), { actor: "proxy", replica: "r" })];
    expect(loadOf("deployment", { cluster: 100 }, states)).toEqual({ queued: 12, lag: 60 });
    expect(loadOf("deployment", { cluster: 30 }, states)).toEqual({ queued: 12, lag: 0 });
    expect(loadOf("scheduler", { cluster: 100 }, states)).toBeUndefined();
  });
});
