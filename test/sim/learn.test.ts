import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { learn, type PlanResult } from "./learn/learn.ts";
import * as mistakes from "./mistakes.ts";
import type { Mistake } from "./simulate.ts";
import { loadWorkload, parseWorkload } from "./workload-file.ts";

const TEST_MS_MAX = 300_000;
const TOUR = fileURLToPath(new URL("./workloads/tour.yaml", import.meta.url));
const operations = loadWorkload(TOUR);

/** What shows the mistake first: the undisturbed run, or a plan. */
async function find(mistake: () => Mistake, actors: readonly string[]): Promise<string[]> {
  const lesson = await learn({ operations, mistake, actors });
  if (lesson.violations.length > 0) return ["undisturbed", ...lesson.violations];
  for (const plan of lesson.plans) {
    const result = await lesson.run(plan);
    const lines = linesOf(result);
    if (lines.length > 0) return [`${plan.pattern}: ${plan.fault.type}`, ...lines];
  }
  return [];
}

function linesOf({ violations, state, counts }: PlanResult): string[] {
  return [...violations, ...state, ...counts];
}

describe("a workload file", () => {
  it("says which field is wrong", () => {
    const text = "- what: nothing\n  request: { verb: steal, resource: pods }\n";
    expect(() => parseWorkload(text, "w.yaml")).toThrow(/w\.yaml[\s\S]*\[0\]\.request\.verb/);
  });
});

describe("learnt fault plans", { timeout: TEST_MS_MAX }, () => {
  it("are few, of each of Sieve's patterns, and the control plane bears them", async () => {
    const lesson = await learn({ operations, actors: ["replicaset", "scheduler"] });
    expect(lesson.violations).toEqual([]);
    const patterns = new Set(lesson.plans.map(({ pattern }) => pattern));
    expect([...patterns].sort()).toEqual(["intermediate state", "stale state", "unobserved state"]);
    expect(lesson.plans.length).toBeLessThan(lesson.commits);
    for (const plan of lesson.plans) {
      expect(linesOf(await lesson.run(plan)), JSON.stringify(plan)).toEqual([]);
    }
  });

  it.each<[string, () => Mistake, string[]]>([
    ["random pod names in a plan that is decided again", mistakes.randomPodNames, ["replicaset"]],
    ["the claim before what it claims", mistakes.claimFirst, ["replicaset"]],
    ["a missing expectation", mistakes.missingExpectation, ["replicaset"]],
    ["a lost wake-up", mistakes.lostWakeUp, ["replicaset"]],
    ["a double bind", mistakes.doubleBind, ["scheduler"]],
    ["a lost update", mistakes.lostUpdate, ["apiserver", "deployment"]],
    ["a follower that skips a version", mistakes.skippedVersion, ["deployment"]],
  ])("find %s", async (_name, mistake, actors) => {
    const found = await find(mistake, actors);
    if (process.env["SHOW"]) console.log(_name, found.slice(0, 4));
    expect(found).not.toEqual([]);
  });
});
