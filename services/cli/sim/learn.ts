/** `cox sim --learn`: the fault plans that matter for a workload, each of them run. */
import { join } from "node:path";
import { type Lesson, learn, type PlanResult } from "../../../test/sim/learn/learn.ts";
import { loadWorkload } from "../../../test/sim/workload-file.ts";
import { repository } from "../folders.ts";
import { aligned } from "../history/text.ts";
import { ProgressLine } from "./progress.ts";
import { jobsOf, runWorkers } from "./workers.ts";

export interface LearnFlags {
  readonly workload?: string;
  /** Only plans for these. */
  readonly actors?: readonly string[];
  /** Plans of a kind. */
  readonly each?: number;
  readonly jobs?: number;
  readonly output?: "text" | "json";
  /** `k/n`: the k-th of n parts of the plans, answered in JSON, one line each. */
  readonly part?: string;
}

const TOUR = "test/sim/workloads/tour.yaml";

/** Runs the plans; returns the exit code: 1 when one of them ended differently. */
export async function learnPlans(flags: LearnFlags): Promise<number> {
  const { workload = join(repository(), TOUR), actors, each } = flags;
  const lesson = await learn({
    operations: loadWorkload(workload),
    ...(actors === undefined ? {} : { actors }),
    ...(each === undefined ? {} : { each }),
  });
  if (flags.part !== undefined) return workOn(flags.part, lesson);
  const { plans } = lesson;
  const progress = new ProgressLine();
  const results: PlanResult[] = [];
  const take = (result: PlanResult): void => {
    results.push(result);
    if (differs(result) && flags.output !== "json") process.stdout.write(resultText(result));
    const different = results.filter(differs).length;
    progress.show(`${results.length} of ${plans.length} plans, ${different} ended differently`);
  };
  const jobs = jobsOf(flags.jobs);
  if (jobs === 1) for (const plan of plans) take(await lesson.run(plan));
  else await runWorkers(parts(jobs, workload, flags), jobs, (line) => take(JSON.parse(line)));
  progress.show(`${plans.length} plans`, true);
  const text = flags.output === "json" ? jsonReport(lesson, results) : textReport(lesson, results);
  process.stdout.write(text);
  return lesson.violations.length === 0 && !results.some(differs) ? 0 : 1;
}

function parts(count: number, workload: string, { actors, each }: LearnFlags): string[][] {
  return Array.from({ length: count }, (_, index) => [
    "--learn",
    `--part=${index}/${count}`,
    `--workload=${workload}`,
    ...(actors === undefined ? [] : [`--actors=${actors.join(",")}`]),
    ...(each === undefined ? [] : [`--each=${each}`]),
  ]);
}

async function workOn(part: string, { plans, run }: Lesson): Promise<number> {
  const [number, count] = part.split("/").map(Number);
  for (const [index, plan] of plans.entries()) {
    if (index % (count as number) !== number) continue;
    process.stdout.write(`${JSON.stringify(await run(plan))}\n`);
  }
  return 0;
}

function differs({ violations, state, counts }: PlanResult): boolean {
  return violations.length + state.length + counts.length > 0;
}

function resultText({ plan, violations, state, counts }: PlanResult): string {
  const { pattern, actor, process: struck, about, key, fault } = plan;
  const where = fault.type === "late plan" ? `trace ${fault.trace}` : `revision ${fault.revision}`;
  return [
    `${pattern}: ${actor} (${struck}), ${fault.type} at ${where}`,
    `  ${about}: ${key}`,
    ...violations.map((line) => `  broken: ${line}`),
    ...state.map((line) => `  state: ${line}`),
    ...counts.map((line) => `  count: ${line}`),
    "",
  ].join("\n");
}

function textReport({ commits, violations }: Lesson, results: readonly PlanResult[]): string {
  const rows = new Map<string, { plans: number; different: number }>();
  for (const result of results) {
    const name = `${result.plan.actor}\0${result.plan.pattern}`;
    const row = rows.get(name) ?? { plans: 0, different: 0 };
    row.plans++;
    if (differs(result)) row.different++;
    rows.set(name, row);
  }
  const table = [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { plans, different }]) => [
      ...name.split("\0"),
      `${plans} plans`,
      different === 0 ? "all ended as undisturbed" : `${different} ended differently`,
    ]);
  return [
    `undisturbed: ${commits} commits`,
    ...violations.map((line) => `  broken: ${line}`),
    ...aligned(table),
    "",
  ].join("\n");
}

function jsonReport({ commits, violations }: Lesson, results: readonly PlanResult[]): string {
  return `${JSON.stringify({ undisturbed: { commits, violations }, results }, null, 2)}\n`;
}
