import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { NodeTable } from "../../services/scheduler/node-table.ts";
import { podInfo } from "../../services/scheduler/pod-info.ts";
import { Scheduling } from "../../services/scheduler/schedule.ts";
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

function nodesOf({ nodes }: Case): NodeTable {
  const table = new NodeTable();
  for (const { pods = [], ...node } of nodes) {
    const info = table.set(node as Node);
    for (const pod of pods.map(podOf)) table.add(info, podInfo(pod));
  }
  return table;
}

describe("the scheduler", () => {
  it.each(cases.map((each) => [each.name, each] as const))("%s", (_, each) => {
    const pods = each.pods.map((pod) => podInfo(podOf(pod)));
    const placements = new Scheduling(nodesOf(each)).place(pods);
    expect(placements.map(({ node, message }) => node ?? message)).toEqual(each.placed);
  });
});
