/** How the answers about the past are laid out on a terminal. */

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;

export type Style = keyof typeof CODES;
/** Wraps a text in a style; leaves it alone where there is no terminal. */
export type Paint = (style: Style, text: string) => string;

/** Colours for a terminal that wants them (https://no-color.org). */
export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const wanted = stream.isTTY === true && !process.env["NO_COLOR"];
  return wanted ? (style, text) => `\u001b[${CODES[style]}m${text}\u001b[0m` : (_, text) => text;
}

/** `HH:MM:SS.mmm` of UTC. */
export function clockTime(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

/** `clockTime`, with the date where it is another day than now. */
export function whenText(ms: number, now: number): string {
  const date = (time: number) => new Date(time).toISOString().slice(0, 10);
  return date(ms) === date(now) ? clockTime(ms) : `${date(ms)} ${clockTime(ms)}`;
}

/** `850 µs`, `12.3 ms`, `4.2 s`, `3 min 20 s`, `5 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 0) return `−${duration(-ms)}`;
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** Rows with their columns aligned; the last column is as long as it likes. */
export function aligned(rows: readonly (readonly string[])[], gap = "  "): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join(gap)
      .trimEnd(),
  );
}

/** A key as people write it: `pods/default/web-1`, `nodes/node-1`. */
export function keyText(key: string): string {
  return key.replace("/_/", "/");
}
