import { expect } from "vitest";
import type { Finished, RunningCluster } from "./cluster.ts";
import { difference } from "./expected.ts";

/** What somebody does with the cluster, step by step, and what he is to see. */
export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}

export interface Step {
  /** Shell text. */
  readonly run: string;
  /** All that is printed, in the notation of expected.ts. Not given: whatever. */
  readonly stdout?: string;
  /** Not given: nothing but warnings. */
  readonly stderr?: string;
  /** Exit code; default 0. */
  readonly code?: number;
  /** Tried again until it is as expected, at most so many seconds. */
  readonly within?: number;
  /** Minor version of kubectl that the step needs. */
  readonly since?: number;
}

const PAUSE_MS = 100;

export async function perform(
  cluster: RunningCluster,
  one: Case,
  environment: Record<string, string>,
  minor: number,
): Promise<void> {
  for (const step of one.steps) {
    if (minor < (step.since ?? 0)) {
      console.warn(`\n*** left out, needs kubectl 1.${step.since}: ${step.run.trim()} ***`);
      continue;
    }
    const deadline = performance.now() + (step.within ?? 0) * 1000;
    let problem = problemOf(step, await cluster.shell(step.run, environment));
    while (problem !== undefined && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      problem = problemOf(step, await cluster.shell(step.run, environment));
    }
    if (problem !== undefined) expect.fail(`${step.run.trim()}\n${problem}`);
  }
}

function problemOf(step: Step, { code, stdout, stderr }: Finished): string | undefined {
  const { code: wanted = 0 } = step;
  if (code !== wanted) return `exit code ${code} instead of ${wanted}:\n${stdout}${stderr}`;
  const printed = step.stdout === undefined ? undefined : difference(step.stdout, stdout);
  if (printed !== undefined) return `stdout: ${printed}\nstderr:\n${stderr}`;
  if (step.stderr !== undefined) {
    const said = difference(step.stderr, stderr);
    return said === undefined ? undefined : `stderr: ${said}`;
  }
  const complaints = stderr.split("\n").filter((line) => line !== "" && !/^Warning:/i.test(line));
  return complaints.length === 0 ? undefined : `stderr:\n${stderr}`;
}
