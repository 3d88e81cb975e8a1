/** Collects figures over any number of rounds and sides. */
import { controlPlane, isNodes, sum } from "./processes.ts";

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** kube-apiserver's figure, measured elsewhere; absent where there is none. */
  readonly reference?: number;
  /** What DESIGN asks: at least this many times better than Kubernetes. */
  readonly budget?: number;
  /** An absolute limit instead, in the figure's unit. */
  readonly limit?: number;
  readonly note?: string;
}

/** What a workload took. */
export interface Cost {
  /** CPU seconds of each process of the servers. */
  readonly cpu: ReadonlyMap<string, number>;
  /** MB at its end, shared pages divided among those who share them. */
  readonly pss: ReadonlyMap<string, number>;
  /** MB at most meanwhile, resident. */
  readonly peakRss: ReadonlyMap<string, number>;
  /** CPU seconds of the load generator. */
  readonly generator: number;
}

export interface Named {
  readonly name: string;
  /** Another build of Coxswain: the budgets are not against it. */
  readonly sibling: boolean;
}

type Figures = Map<string, Figure[]>;

export class Report {
  readonly sides: readonly Named[];
  /** By what they say, then by side. */
  readonly #figures = new Map<string, Figures>();
  /** By workload, then by side. */
  readonly #costs = new Map<string, Map<string, Cost[]>>();

  constructor(sides: readonly Named[]) {
    this.sides = sides;
  }

  /** Adds a figure of this round and shows it at once. */
  add(side: string, figure: Figure): void {
    push(this.#figures, figure.what, side, figure);
    const { what, value, unit, note = "" } = figure;
    const whose = this.sides.length > 1 ? `${side}: ` : "";
    console.info(`  ${whose}${what}: ${format(value)} ${unit}  ${note}`.trimEnd());
  }

  addCost(side: string, workload: string, cost: Cost): void {
    push(this.#costs, workload, side, cost);
  }

  /** Head and lines: medians of each side, and how many times better the first one is. */
  figures(): string[][] {
    const [first, ...others] = this.sides;
    const several = others.length > 0;
    const columns = this.sides.flatMap(({ name }) => [several ? name : "median", "lowest–highest"]);
    const ratios = several
      ? others.map(({ name }) => (others.length === 1 ? "ratio" : `ratio to ${name}`))
      : ["reference", "ratio"];
    const head = ["", "unit", ...columns, ...ratios, "budget", ...(several ? [] : ["note"])];
    const lines = [...this.#figures].map(([what, bySide]) => {
      const figure = [...bySide.values()][0]?.[0] as Figure;
      const values = (side: string) => (bySide.get(side) ?? []).map(({ value }) => value);
      const own = median(values(first?.name ?? ""));
      const cells = this.sides.flatMap(({ name }) => [
        format(median(values(name))),
        spread(values(name)),
      ]);
      const compared = several
        ? others.map(({ name }) => ratio(figure, own, median(values(name))))
        : [ratio(figure, own, figure.reference ?? Number.NaN)];
      const foreign = several ? others.findIndex(({ sibling }) => !sibling) : 0;
      const shown = compared.map((each) => (Number.isNaN(each) ? "" : `${each.toFixed(2)} ×`));
      const reference = figure.reference === undefined ? "" : format(figure.reference);
      return [
        ...[what, figure.unit, ...cells],
        ...(several ? shown : [reference, ...shown]),
        verdict(figure, own, compared[foreign]),
        ...(several ? [] : [figure.note ?? ""]),
      ];
    });
    return [head, ...lines];
  }

  /** Head and lines: what each workload took of each side, medians. */
  costs(): string[][] {
    const head = [
      "",
      "",
      "CPU s",
      "nodes",
      "generator",
      "PSS MB",
      "peak RSS MB",
      "CPU s by process",
    ];
    const lines = [...this.#costs].flatMap(([workload, bySide]) =>
      [...bySide].map(([side, costs]) => {
        const total = (of: (cost: Cost) => number) => format(median(costs.map(of)));
        const own = (of: ReadonlyMap<string, number>) => sum(controlPlane(of).values());
        return [
          workload,
          side,
          total(({ cpu }) => own(cpu)),
          total(({ cpu }) => sum(cpu.values()) - own(cpu)),
          total(({ generator }) => generator),
          total(({ pss }) => own(pss)),
          total(({ peakRss }) => own(peakRss)),
          byProcess(costs),
        ];
      }),
    );
    return lines.length === 0 ? [] : [head, ...lines];
  }

  /** Everything, for other programs. */
  json(about: object): string {
    const figures = [...this.#figures].map(([what, bySide]) => {
      const { unit } = [...bySide.values()][0]?.[0] as Figure;
      const sides = [...bySide].map(([side, all]) => {
        const values = all.map(({ value }) => value);
        const notes = all.map(({ note }) => note ?? "");
        return [side, { median: median(values), values, notes }];
      });
      return {
        what,
        unit,
        better: higherIsBetter(unit) ? "higher" : "lower",
        sides: Object.fromEntries(sides),
      };
    });
    const costs = [...this.#costs].map(([workload, bySide]) => {
      const rounds = (all: readonly Cost[]) =>
        all.map(({ cpu, pss, peakRss, generator }) => {
          const [cpuSeconds, pssMb, peakRssMb] = [cpu, pss, peakRss].map(Object.fromEntries);
          return { cpuSeconds, pssMb, peakRssMb, generatorCpuSeconds: generator };
        });
      const sides = [...bySide].map(([side, all]) => [side, rounds(all)]);
      return { workload, sides: Object.fromEntries(sides) };
    });
    return JSON.stringify({ ...about, figures, costs }, null, 1);
  }
}

function push<Value>(
  into: Map<string, Map<string, Value[]>>,
  key: string,
  side: string,
  value: Value,
): void {
  const bySide = into.get(key) ?? new Map<string, Value[]>();
  into.set(key, bySide);
  bySide.set(side, [...(bySide.get(side) ?? []), value]);
}

function byProcess(costs: readonly Cost[]): string {
  const names = [...(costs[0]?.cpu.keys() ?? [])].filter((name) => !isNodes(name));
  const seconds = (name: string) => format(median(costs.map(({ cpu }) => cpu.get(name) ?? 0)));
  return names.map((name) => `${name} ${seconds(name)}`).join(", ");
}

function higherIsBetter(unit: string): boolean {
  return unit.endsWith("/s");
}

/** How many times better than the other. */
function ratio({ unit }: Figure, own: number, other: number): number {
  return higherIsBetter(unit) ? own / other : other / own;
}

function verdict({ limit, budget }: Figure, own: number, compared: number | undefined): string {
  if (limit !== undefined) return `≤ ${format(limit)}: ${own <= limit ? "met" : "NOT MET"}`;
  if (budget === undefined || compared === undefined || Number.isNaN(compared)) return "";
  return `${budget} ×: ${compared >= budget ? "met" : "NOT MET"}`;
}

export function format(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function spread(values: readonly number[]): string {
  if (values.length < 2) return "";
  return `${format(Math.min(...values))}–${format(Math.max(...values))}`;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that a share of the values lie below; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
