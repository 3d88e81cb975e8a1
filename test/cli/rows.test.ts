import { expect, it } from "vitest";
import { tableOf } from "../../services/cli/scale/actors.ts";
import { actorRows, type Sample } from "../../services/cli/scale/rows.ts";
import type { ActorState, ProcessState } from "../../shared/actor/orders.ts";

function processState(
  process: string,
  uptimeMs: number,
  actors: readonly Partial<ActorState>[],
  faults: string[] = [],
): ProcessState {
  const figures = { pid: 7, version: "1", uptimeMs, memoryBytes: 3 * 2 ** 20, cpuMs: 0, faults };
  const replicas = actors.map((actor) => ({ actor: "", replica: `${process}-7`, ...actor }));
  return { process, ...figures, actors: replicas };
}

const DEPLOYMENT = { actor: "deployment", log: "cluster", queued: 2 } as const;

const BEFORE: Sample = {
  heads: { cluster: 90 },
  states: [
    processState("control-10", 1_000, [{ ...DEPLOYMENT, passes: 10, refused: 50 }]),
    processState("control-2", 1_000, [{ ...DEPLOYMENT, passes: 10, refused: 0 }]),
  ],
};
const NOW: Sample = {
  heads: { cluster: 100 },
  states: [
    processState("control-10", 3_000, [{ ...DEPLOYMENT, revision: 101, passes: 13, refused: 0 }]),
    processState("control-2", 3_000, [
      { ...DEPLOYMENT, revision: 60, keys: 4, passes: 70, refused: 4 },
      { actor: "scheduler", revision: 9 },
    ]),
    processState("nodes", 3_000, [{ actor: "kubelet" }], ["slow-1"]),
  ],
  supervisor: {
    grouping: "packed",
    replicas: {},
    autoscale: {},
    processes: [
      { name: "nats-server", pid: 1, paused: false, restarts: 0 },
      { name: "control-2", pid: 7, paused: false, restarts: 5 },
      { name: "control-3", pid: null, paused: false, restarts: 9 },
      { name: "apiserver", pid: 8, paused: false, restarts: 0 },
    ],
  },
};

it("the table of actors has rates, lag, restarts, and what does not answer", () => {
  const rows = tableOf(actorRows(BEFORE, NOW)).split("\n");
  expect(rows.map((row) => row.replace(/ +/g, " "))).toEqual([
    "ACTOR PROCESS PID KEYS REVISION LAG QUEUE PASSES/S REFUSED/S RESTARTS MEMORY STATE",
    "apiserver apiserver 8 - - - - - - 0 - no answer",
    "scheduler control-2 7 - 9 - - - - 5 3M ok",
    "deployment control-2 7 4 60 40 2 30 2.0 5 3M ok",
    "deployment control-10 7 - 101 0 2 1.5 0 - 3M ok",
    "control-3 control-3 - - - - - - - 9 - not running",
    "kubelet nodes 7 - - - - - - - 3M faults: slow-1",
    "nats-server nats-server 1 - - - - - - 0 - ok",
    "",
  ]);
});
