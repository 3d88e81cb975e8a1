/** Durations by what was measured; printed as a table. */
export class Figures {
  readonly #rows = new Map<string, Map<string, number[]>>();

  add(row: string, column: string, ms: number): void {
    const columns = this.#rows.get(row) ?? new Map<string, number[]>();
    columns.set(column, [...(columns.get(column) ?? []), ms]);
    this.#rows.set(row, columns);
  }

  /** Half of the durations, and the longest, in milliseconds. */
  text(): string {
    const lines = [...this.#rows].map(([row, columns]) => {
      const cells = [...columns].map(([column, values]) => {
        const sorted = [...values].sort((a, b) => a - b);
        const half = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
        const most = sorted.at(-1) ?? 0;
        return `${column} ${half.toFixed(0)} (${most.toFixed(0)})`.padEnd(26);
      });
      return `${row.padEnd(14)}${cells.join("")}`.trimEnd();
    });
    return `milliseconds from the kill, p50 (worst):\n${lines.join("\n")}`;
  }
}
