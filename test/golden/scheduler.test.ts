import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { NodeInfo } from "../../services/scheduler/node-info.ts";
import { podInfo } from "../../services/scheduler/pod-info.ts";
import { schedule } from "../../services/scheduler/schedule.ts";
import type { Node, Pod } from "../../shared/api/generated/types.ts";

/** Nodes with their pods, the pods to place in order, and where each goes or why it does not. */
interface Case {
  readonly name: string;
  readonly nodes: readonly (Node & { pods?: readonly Partial<Pod>[] })[];
  readonly pods: readonly Partial<Pod>[];
  readonly placed: readonly string[];
}

const file = new URL("scheduler/cases.yaml", import.meta.url);
const { cases } = parse(readFileSync(file, "utf8"), { merge: true }) as { cases: readonly Case[] };
let counter = 0;

function podOf(given: Partial<Pod>): Pod {
  counter++;
  const metadata = { name: `pod-${counter}`, uid: `uid-${counter}`, namespace: "default" };
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...given,
    metadata: { ...metadata, ...given.metadata },
  } as Pod;
}

function nodesOf({ nodes }: Case): NodeInfo[] {
  return nodes.map(({ pods = [], ...node }) => {
    const info = new NodeInfo(node as Node);
    for (const pod of pods.map(podOf)) info.add(pod.metadata.uid as string, podInfo(pod));
    return info;
  });
}

describe("the scheduler", () => {
  it.each(cases.map((each) => [each.name, each] as const))("%s", (_, each) => {
    const pods = each.pods.map((pod) => podInfo(podOf(pod)));
    const placements = schedule(pods, nodesOf(each));
    const placed = pods.map((pod) => {
      const placement = placements.find((candidate) => candidate.pod === pod);
      return placement?.node ?? placement?.message;
    });
    expect(placed).toEqual(each.placed);
  });

  it("places a group as it would its pods one after the other", () => {
    const node = (name: string, cpu: string) =>
      new NodeInfo({
        apiVersion: "v1",
        kind: "Node",
        metadata: { name },
        status: { allocatable: { cpu, memory: "8Gi", pods: "20" } },
      });
    const build = () => [node("a", "4"), node("b", "2"), node("c", "3")];
    const template = {
      spec: { containers: [{ name: "c", resources: { requests: { cpu: "1" } } }] },
    };
    const pods = Array.from({ length: 11 }, () => podInfo(podOf(template)));
    const together = schedule(pods, build()).map(({ node: name }) => name);
    const nodes = build();
    const single = pods.flatMap((pod) => schedule([pod], nodes)).map(({ node: name }) => name);
    expect(together).toEqual(single);
    expect(together.filter((name) => name === undefined)).toHaveLength(2);
  });
});
