import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FILTERS, refusalsOf } from "../../services/scheduler/filters/index.ts";
import type { NodeInfo } from "../../services/scheduler/node-info.ts";
import { NodeTable } from "../../services/scheduler/node-table.ts";
import { PodInfo } from "../../services/scheduler/pod-info.ts";
import { Scheduling } from "../../services/scheduler/schedule.ts";
import { otherScores, resourceScore } from "../../services/scheduler/scores.ts";
import type { Node, Pod } from "../../shared/api/generated/types.ts";

const ZONES = ["x", "y"];

function nodeOf(name: string, cores: number, kind: number): Node {
  const taints = [
    [],
    [{ key: "t", effect: "NoSchedule" }],
    [{ key: "p", effect: "PreferNoSchedule" }],
  ][kind % 3];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { zone: ZONES[kind % 2] as string } },
    spec: { ...(taints?.length && { taints }), unschedulable: kind === 5 },
    status: { allocatable: { cpu: String(cores), memory: "4Gi", pods: "4" } },
  } as Node;
}

function podOf(index: number, cpu: number, kind: number): Pod {
  const apart = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: "zone", labelSelector: { matchLabels: { kind: "1" } } },
      ],
    },
  };
  const owner = { controller: true, uid: `o-${kind}`, apiVersion: "v1", kind: "X", name: "x" };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `p-${index}`,
      namespace: "default",
      uid: `u-${index}`,
      labels: { kind: String(kind % 4) },
      ...(kind % 2 && { ownerReferences: [owner] }),
    },
    spec: {
      containers: [
        {
          name: "c",
          resources: { requests: { cpu: `${cpu}m` } },
          ...(kind === 3 && { ports: [{ containerPort: 80, hostPort: 80 }] }),
        },
      ],
      ...(kind === 2 && { nodeSelector: { zone: "x" } }),
      ...(kind === 4 && { tolerations: [{ operator: "Exists" }] }),
      ...(kind === 6 && { affinity: apart }),
    },
  } as Pod;
}

/** What the contract says, with no memory: every plugin asked about every node. */
function bestOf(table: NodeTable, pod: PodInfo): string | undefined {
  const around = table.surroundings();
  let best: { readonly node: NodeInfo; readonly score: number } | undefined;
  const { rows, start } = table;
  for (const node of [...rows.slice(start), ...rows.slice(0, start)]) {
    if (refusalsOf(FILTERS, pod, node, around).plugin) continue;
    const [cpu, memory] = ["cpu", "memory"].map((name) => node.allocatable.get(name) ?? 0);
    const score =
      resourceScore(
        node.assumedCpu + pod.assumedCpu,
        cpu ?? 0,
        node.assumedMemory + pod.assumedMemory,
        memory ?? 0,
      ) + otherScores(pod, node);
    if (best === undefined || score > best.score) best = { node, score };
  }
  return best?.node.name;
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ op: fc.constant("place"), cpu: fc.nat(900), kind: fc.nat(6) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant("leave"), cpu: fc.nat(99), kind: fc.nat(6) }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("node"), cpu: fc.nat(4), kind: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("gone"), cpu: fc.nat(4), kind: fc.nat(6) }) },
);

describe("rankings that are kept", () => {
  it("answer what asking every plugin about every node would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.string(), (steps, seed) => {
        const table = new NodeTable(seed);
        const scheduling = new Scheduling(table);
        const placed: { readonly pod: PodInfo; readonly node: string }[] = [];
        for (const name of ["a", "b", "c"]) table.set(nodeOf(name, 2, 0));
        for (const [index, { op, cpu, kind }] of steps.entries()) {
          if (op === "node") table.set(nodeOf("abcdefg"[cpu] as string, 1 + cpu, kind));
          else if (op === "gone") table.delete("abcdefg"[cpu] as string);
          else if (op === "leave") {
            const [left] = placed.splice(cpu % Math.max(1, placed.length), 1);
            const node = left && table.get(left.node);
            if (left && node?.pod(left.pod.uid)) table.remove(node, left.pod);
          } else {
            const pod = new PodInfo(podOf(index, cpu, kind));
            const expected = bestOf(table, pod);
            const [placement] = scheduling.place([pod]);
            expect(placement?.node).toBe(expected);
            if (placement?.node) placed.push({ pod, node: placement.node });
            else expect(placement?.message).toMatch(/^0\/\d+ nodes are available|^no nodes/);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("begin with another node in each replica", () => {
    const firstOf = (seed: string) => {
      const table = new NodeTable(seed);
      for (let index = 0; index < 50; index++) table.set(nodeOf(`n-${index}`, 2, 0));
      return new Scheduling(table).place([new PodInfo(podOf(1, 100, 0))])[0]?.node;
    };
    const firsts = ["control-1", "control-2", "control-3"].map(firstOf);
    expect(new Set(firsts).size).toBe(3);
    expect(["control-1", "control-2", "control-3"].map(firstOf)).toEqual(firsts);
  });
});
