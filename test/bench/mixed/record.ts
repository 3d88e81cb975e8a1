/** What a mixed run saw, window by window, and whether it stayed as it was. */
import type { Panel, Series } from "../curves/plot.ts";
import { type Usage, usageOf } from "../load/processes.ts";
import { quantile } from "../load/report.ts";
import type { Collection } from "./collections.ts";
import { type Sink, VERBS, type Verb } from "./requests.ts";

const QUANTILES = { p50: 0.5, p99: 0.99, "p99.9": 0.999, worst: 1 } as const;
export type Latency = Record<keyof typeof QUANTILES, number> & { readonly count: number };

interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  readonly usage: readonly Usage[];
}

export class Recording implements Sink {
  readonly windowSeconds: number;
  readonly failures = new Map<string, number>();
  readonly late: number[] = [];
  readonly #began = performance.now();
  readonly #epoch = Date.now();
  readonly #times = new Map<Verb, number[][]>();
  readonly #samples: Sample[] = [];

  constructor(windowSeconds: number) {
    this.windowSeconds = windowSeconds;
  }

  answered(verb: Verb, due: number, ms: number): void {
    const window = Math.max(0, this.#windowOf((due - this.#began) / 1_000));
    const windows = this.#times.get(verb) ?? [];
    this.#times.set(verb, windows);
    windows[window] ??= [];
    windows[window]?.push(ms);
  }

  failed(verb: Verb, reason: string): void {
    const what = `${verb}: ${reason}`;
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }

  sent(lateMs: number): void {
    this.late.push(lateMs);
  }

  sample(processes: Parameters<typeof usageOf>[0]): void {
    const at = (performance.now() - this.#began) / 1_000;
    this.#samples.push({ at, usage: usageOf(processes) });
  }

  /** Of a verb, or of all together; in one window, or over the whole run. */
  latency(verb: Verb | undefined, window?: number): Latency {
    const all = (verb === undefined ? VERBS : [verb]).flatMap((each) => {
      const windows = this.#times.get(each) ?? [];
      return window === undefined ? windows.flat() : (windows[window] ?? []);
    });
    const sorted = all.sort((a, b) => a - b);
    const at = (share: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    const { p50, p99, worst } = QUANTILES;
    return {
      count: sorted.length,
      p50: at(p50),
      p99: at(p99),
      "p99.9": at(QUANTILES["p99.9"]),
      worst: at(worst),
    };
  }

  /** Whole windows. */
  get windows(): number {
    return Math.floor((this.#samples.at(-1)?.at ?? 0) / this.windowSeconds);
  }

  /** MB of each process over time. */
  memory(): Map<string, [minutes: number, megabytes: number][]> {
    return this.#byProcess(({ pss }) => pss);
  }

  /** MB a minute in the second half of the run: what is left when everything is warm. */
  growth(): Map<string, number> {
    const halves = [...this.memory()].map(([name, points]) => {
      return [name, slope(points.slice(Math.floor(points.length / 2)))] as const;
    });
    return new Map(halves);
  }

  panels(collections: readonly Collection[]): Panel[] {
    const x = { label: "minutes" };
    const line = (name: string, value: (window: number) => number): Series => ({
      name,
      points: Array.from({ length: this.windows }, (_, window) => [
        this.#minutes(window),
        value(window),
      ]),
    });
    const each = (key: keyof typeof QUANTILES): Series[] =>
      VERBS.map((verb) => line(verb, (window) => this.latency(verb, window)[key]));
    const keys = Object.keys(QUANTILES) as (keyof typeof QUANTILES)[];
    const all = keys.map((key) => line(key, (window) => this.latency(undefined, window)[key]));
    const ms = { label: "ms, from the moment it was due", log: true };
    const memory = [...this.memory()].map(([name, points]): Series => ({ name, points }));
    const panels = [
      { title: "All requests", x, y: ms, series: all },
      { title: "Median by verb", x, y: ms, series: each("p50") },
      { title: "p99 by verb", x, y: ms, series: each("p99") },
      { title: "Memory (PSS)", x, y: { label: "MB" }, series: memory },
      { title: "CPU", x, y: { label: "% of a core" }, series: this.#cpu() },
    ];
    const names = [...new Set(collections.map(({ process }) => process))].sort();
    const longest = names.map((name) =>
      line(name, (window) => Math.max(...this.#collected(collections, name, window), 0.01)),
    );
    const title = "Longest garbage collection of each window";
    const y = { label: "ms", log: true };
    return names.length === 0 ? panels : [...panels, { title, x, y, series: longest }];
  }

  #collected(collections: readonly Collection[], name: string, window: number): number[] {
    return collections
      .filter(({ process }) => process === name)
      .filter(({ at }) => this.#windowOf((at - this.#epoch) / 1_000) === window)
      .map(({ ms }) => ms);
  }

  /** Of the run itself: what was collected while the cluster came up is left out. */
  during(collections: readonly Collection[]): Collection[] {
    return collections.filter(({ at }) => at >= this.#epoch);
  }

  #cpu(): Series[] {
    const seconds = this.#byProcess(({ cpuSeconds }) => cpuSeconds);
    return [...seconds].map(([name, points]) => {
      const rates = points.slice(1).map(([at, used], index): [number, number] => {
        const [before = 0, usedBefore = 0] = points[index] ?? [];
        return [at, ((used - usedBefore) * 100) / ((at - before) * 60)];
      });
      return { name, points: rates };
    });
  }

  #byProcess(value: (usage: Usage) => number): Map<string, [number, number][]> {
    const found = new Map<string, [number, number][]>();
    for (const { at, usage } of this.#samples) {
      for (const each of usage) {
        const points = found.get(each.name) ?? [];
        found.set(each.name, points);
        points.push([at / 60, value(each)]);
      }
    }
    return found;
  }

  #windowOf(seconds: number): number {
    return Math.floor(seconds / this.windowSeconds);
  }

  #minutes(window: number): number {
    return ((window + 0.5) * this.windowSeconds) / 60;
  }
}

/** Of the straight line that fits the points best. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const above = points.reduce((total, [x, y]) => total + (x - mx) * (y - my), 0);
  const below = points.reduce((total, [x]) => total + (x - mx) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

/** The middle of the values of some windows. */
export function middle(values: readonly number[]): number {
  return quantile(values, 0.5);
}
