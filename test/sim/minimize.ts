import type { Faults } from "../../shared/faults/language.ts";
import type { ScriptedIncident } from "./dice.ts";
import {
  faultsOf,
  type Mistake,
  operationsOf,
  runSimulation,
  type SimulationOptions,
} from "./simulate.ts";

/** A run that fails, described so that nothing in it is left to chance. */
export interface Reproduction {
  readonly seed: number;
  readonly steps: number;
  /** Numbers of the operations that are carried out, of the workload that the seed draws. */
  readonly operations: readonly number[];
  /** What may go wrong at all; of it only `only` happens. */
  readonly faults: Faults;
  readonly only: readonly ScriptedIncident[];
}

export interface Minimized {
  readonly reproduction: Reproduction;
  /** What it still does wrong. */
  readonly violation: string;
  /** How many faults happened, and operations were carried out, before. */
  readonly incidents: number;
  readonly operations: number;
  readonly runs: number;
}

export interface MinimizeOptions {
  readonly seed: number;
  readonly faults?: Faults;
  readonly steps: number;
  readonly mistake?: () => Mistake;
  /** Told after each run. */
  readonly onProgress?: (runs: number, incidents: number, operations: number) => void;
}

/**
 * Leaves out of a failing run, fault by fault and operation by operation, whatever it fails without
 * too. Undefined when the run does not fail. The result fails in the same way, and no more if one
 * more of its faults is left out.
 */
export async function minimize(options: MinimizeOptions): Promise<Minimized | undefined> {
  const { seed, steps, mistake, onProgress } = options;
  const faults = options.faults ?? faultsOf(seed);
  const first = await run({ seed, steps, faults }, mistake);
  const [violation] = first.violations;
  if (violation === undefined) return undefined;
  const wanted = kindOf(violation);
  let runs = 1;
  const all = operationsOf({ seed, steps }).map((_, index) => index);
  let found: Reproduction = { seed, steps, faults, operations: all, only: first.incidents };
  /** Takes over what is left out, if the run still fails. */
  const stillFails = async (change: Partial<Reproduction>): Promise<boolean> => {
    const candidate = { ...found, ...change };
    const { violations } = await repeat(candidate, mistake);
    onProgress?.(++runs, found.only.length, found.operations.length);
    const fails = violations.some((each) => kindOf(each) === wanted);
    if (fails) found = candidate;
    return fails;
  };
  if (!(await stillFails({}))) throw new Error(`seed ${seed} does not repeat itself`);
  await reduce(found.only, (only) => stillFails({ only }));
  await reduce(found.operations, (operations) => stillFails({ operations }));
  await reduce(found.only, (only) => stillFails({ only }));
  await stillFails({ faults: needed(found) });
  await stillFails({ faults: { ...found.faults, latency: { actor: "*", ms: [1, 1] } } });
  const { violations } = await repeat(found, mistake);
  return {
    reproduction: found,
    violation: violations.find((each) => kindOf(each) === wanted) ?? violation,
    incidents: first.incidents.length,
    operations: all.length,
    runs,
  };
}

/** Carries out a run again. */
export function repeat(
  { seed, steps, operations, faults, only }: Reproduction,
  mistake?: () => Mistake,
  onTrace?: (line: string) => void,
) {
  const trace = onTrace === undefined ? {} : { onTrace };
  return run({ seed, steps, operations, faults, script: only, ...trace }, mistake);
}

async function run(options: SimulationOptions, mistake: (() => Mistake) | undefined) {
  try {
    return await runSimulation({ ...options, ...(mistake && { mistake: mistake() }) });
  } catch {
    // Operations that make no sense without those that were left out.
    return { violations: [], incidents: [], traceHash: "" };
  }
}

/** The faults without those of which nothing happens. */
function needed({ faults, only }: Reproduction): Faults {
  const happen = new Set(only.map(({ fault }) => fault.split(".")[0]));
  const quiet = new Set(["latency", "limits", ...happen]);
  return Object.fromEntries(Object.entries(faults).filter(([kind]) => quiet.has(kind))) as Faults;
}

/** Failures are alike when only names and numbers differ. */
function kindOf(violation: string): string {
  return violation
    .replaceAll(/\b[\w.-]*\/[\w./-]+/g, "…")
    .replaceAll(/\d+/g, "#")
    .split("\n", 1)[0] as string;
}

/**
 * Delta debugging (Zeller and Hildebrandt 2002): asks with ever smaller parts left out. Ends when
 * no single item can be left out any more; `fails` remembers what it said yes to.
 */
export async function reduce<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
): Promise<readonly Item[]> {
  if (items.length === 0 || (await fails([]))) return [];
  let left = items;
  let parts = 2;
  while (left.length > 1) {
    const size = Math.ceil(left.length / parts);
    let smaller: readonly Item[] | undefined;
    for (let start = 0; start < left.length && smaller === undefined; start += size) {
      const rest = [...left.slice(0, start), ...left.slice(start + size)];
      if (await fails(rest)) smaller = rest;
    }
    if (smaller !== undefined) {
      left = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(left.length, parts * 2);
  }
  return left;
}
