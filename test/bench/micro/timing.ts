/** Times a piece of work: warmed up, in several rounds, the median and the best of them. */
import { format, quantile } from "../load/report.ts";

const WARM_UP_MS = 150;
const ROUND_MS = 60;
const ROUNDS = 7;

/**
 * Prints microseconds for each of the `units` that one call works on. The best round is the
 * steadier figure where the machine is shared.
 */
export function time(what: string, units: number, work: () => unknown): void {
  const batch = warmUp(work);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let each = 0; each < batch; each++) use(work());
    return ((performance.now() - start) * 1000) / (batch * units);
  });
  print(what, quantile(rounds, 0.5), Math.min(...rounds));
}

/** The same for work that takes long and changes what it works on: prepared anew each time. */
export async function timeOnce<Prepared>(
  what: string,
  units: number,
  prepare: () => Prepared | Promise<Prepared>,
  work: (prepared: Prepared) => unknown,
): Promise<void> {
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const prepared = await prepare();
    const start = performance.now();
    use(await work(prepared));
    if (round > 0) rounds.push(((performance.now() - start) * 1000) / units);
  }
  print(what, quantile(rounds, 0.5), Math.min(...rounds));
}

export function heading(text: string): void {
  console.info(`\n${text.padEnd(64)}${"median µs".padStart(12)}${"best µs".padStart(12)}`);
}

function print(what: string, median: number, best: number): void {
  console.info(`${what.padEnd(64)}${format(median).padStart(12)}${format(best).padStart(12)}`);
}

/** Returns how many calls fill a round. */
function warmUp(work: () => unknown): number {
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < WARM_UP_MS || calls === 0) {
    use(work());
    calls++;
  }
  return Math.max(1, Math.round((calls * ROUND_MS) / WARM_UP_MS));
}

let sink: unknown;
/** Keeps the optimizer from leaving out work whose result nobody wants. */
function use(value: unknown): void {
  if (value === sink) sink = undefined;
  else sink = value;
}
