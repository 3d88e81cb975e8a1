/** Collects figures over any number of runs and prints their medians beside the reference. */

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** kube-apiserver's figure, measured elsewhere; absent where there is none. */
  readonly reference?: number;
  /** What DESIGN asks: at least this many times better than the reference. */
  readonly budget?: number;
  /** An absolute limit instead, in the figure's unit. */
  readonly limit?: number;
  /** Better is: higher (rates) or lower (times, sizes). Default by the unit. */
  readonly better?: "higher" | "lower";
  readonly note?: string;
}

export class Report {
  readonly #rows = new Map<string, Figure[]>();

  /** Adds a figure of this run and shows it at once. */
  add(figure: Figure): void {
    const rows = this.#rows.get(figure.what) ?? [];
    rows.push(figure);
    this.#rows.set(figure.what, rows);
    const { what, value, unit, note = "" } = figure;
    console.info(`  ${what}: ${format(value)} ${unit}  ${note}`.trimEnd());
  }

  /** The median of each figure. */
  table(): string {
    const head = ["", "median", "", "reference", "ratio", "budget", ""];
    const lines = [...this.#rows.values()].map((figures) => row(figures));
    const widths = head.map((_, column) =>
      Math.max(...[head, ...lines].map((line) => (line[column] ?? "").length)),
    );
    return [head, ...lines]
      .map((line) =>
        line
          .map((cell, column) => align(cell, widths[column] ?? 0, column))
          .join("  ")
          .trimEnd(),
      )
      .join("\n");
  }

  /** The medians, for other programs. */
  json(): string {
    const medians = [...this.#rows].map(([what, figures]) => {
      const values = figures.map(({ value }) => value);
      return { what, unit: figures[0]?.unit, median: quantile(values, 0.5), values };
    });
    return JSON.stringify(medians, null, 1);
  }
}

function align(cell: string, width: number, column: number): string {
  return [1, 3, 4, 5].includes(column) ? cell.padStart(width) : cell.padEnd(width);
}

function row(figures: readonly Figure[]): string[] {
  const first = figures[0] as Figure;
  const values = figures.map(({ value }) => value);
  const value = quantile(values, 0.5);
  const { what, unit, reference, budget, limit, note = "" } = first;
  const spread = values.length < 2 ? "" : `(${values.map(format).join(", ")})`;
  const higher = (first.better ?? (unit.endsWith("/s") ? "higher" : "lower")) === "higher";
  const ratio = reference === undefined ? NaN : higher ? value / reference : reference / value;
  const wanted = limit ?? budget;
  const met = limit === undefined ? ratio >= (budget ?? 0) : value <= limit;
  const verdict = wanted === undefined ? "" : met ? "met" : "NOT MET";
  return [
    what,
    format(value),
    unit,
    reference === undefined ? "" : format(reference),
    Number.isNaN(ratio) ? "" : `${ratio.toFixed(2)} x`,
    limit !== undefined ? `<= ${format(limit)}` : budget !== undefined ? `${budget} x` : "",
    [verdict, spread || note].filter(Boolean).join(" "),
  ];
}

export function format(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** The value that a share of the values lie below; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
