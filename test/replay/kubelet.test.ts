import { expect, it } from "vitest";
import { reconcilePod } from "../../services/kubelet/decide/pod.ts";
import type { PodSnapshot } from "../../services/kubelet/decide/types.ts";
import { effectsDue, seenOf } from "../../services/kubelet/redecide.ts";
import { ACTORS } from "../../services/replay/actors.ts";
import { reportOf } from "../../services/replay/replay.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { Pod } from "../../shared/api/generated/types.ts";
import { DECISION_FORMAT, type DecisionRecord } from "../../shared/log/decision.ts";
import { historyInMemory } from "../../shared/log/memory-history.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import type { Version } from "../../shared/store/store.ts";
import { HEADERS } from "../store/harness.ts";

const KEY = "pods/default/web";
const pod: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "default", uid: "u1" },
  spec: { nodeName: "n", containers: [{ name: "a", image: "a:1" }] },
};

/** A pod of which a kubelet decided twice: to make its sandbox, and to start its container. */
async function historyOf(tamper: (record: DecisionRecord) => DecisionRecord = (same) => same) {
  const runtime = new SeededRuntime();
  const store = new MemoryStore(runtime);
  const versions: Version[] = [];
  const fail = (error: Error) => {
    throw error;
  };
  store.watch("", 0, { version: (version) => versions.push(version), failed: fail });
  await store.commit([{ key: KEY, value: encodeObject(pod as never) }], HEADERS);
  await store.commit([{ key: "nodes/_/n", value: encodeObject({ ...pod } as never) }], HEADERS);
  const now = runtime.clock.now();
  const sandbox = { id: "s0", attempt: 0, ready: true, createdAt: now, ips: ["10.0.0.5"] };
  const records = [[], [sandbox]].map((sandboxes) => {
    const snapshot: PodSnapshot = {
      pod,
      observed: { sandboxes, containers: [] },
      probes: {},
      volumes: { ready: true },
      failures: {},
      refused: new Set(),
      nextAttempts: {},
      underWay: new Set(["stopSandbox/old"]),
      hostIPs: ["172.30.0.11"],
      runtimeName: "containerd",
      now,
    };
    const effects = effectsDue(reconcilePod(snapshot).effects, snapshot.underWay, true);
    const record: DecisionRecord = {
      format: DECISION_FORMAT,
      trace: "t",
      actor: "kubelet",
      replica: "n",
      version: 1,
      key: KEY,
      decidedAt: 2,
      now,
      cause: 1,
      plan: { actions: [], effects: effects.map((effect) => ({ ...effect })) },
      outcome: "committed",
      micros: 1,
      seen: { node: { ...seenOf(snapshot), told: true } },
    };
    return tamper(JSON.parse(JSON.stringify(record)) as DecisionRecord);
  });
  const logs = { cluster: store, events: new MemoryStore(runtime), leases: store };
  return { runtime, history: historyInMemory({ logs, versions, decisions: records }), records };
}

const options = { from: 0, to: 2, actors: ACTORS };

it("makes a kubelet's decisions again from what they saw of the node", async () => {
  const { runtime, history, records } = await historyOf();
  const kinds = records.map(({ plan }) => plan.effects?.map(({ kind }) => kind));
  expect(kinds).toEqual([["createSandbox"], ["startContainer"]]);
  const { actors } = await reportOf({ ...options, runtime, history });
  expect(actors).toMatchObject([{ actor: "kubelet", decisions: 2, identical: 2 }]);
});

it("finds one that is made otherwise on what was seen", async () => {
  const { runtime, history } = await historyOf((record) => ({
    ...record,
    seen: { node: { ...record.seen?.node, volumes: { ready: false } } },
  }));
  const { actors } = await reportOf({ ...options, runtime, history });
  expect(actors).toMatchObject([{ different: 2, summary: { otherwise: 2 } }]);
});

it("does not guess where the pod's version is older than the stretch", async () => {
  const { runtime, history } = await historyOf();
  const { actors } = await reportOf({ ...options, runtime, history, from: 2 });
  expect(actors).toEqual([]);
});
