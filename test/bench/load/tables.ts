/** Tables for people: aligned text, and Markdown for the documentation. */

/** Lines of cells, the first being the head. Columns of figures are flush right. */
export function textTable(lines: readonly (readonly string[])[]): string {
  const flush = columnsOfFigures(lines);
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const cell = (text: string, column: number): string => {
    const width = widths[column] ?? 0;
    return flush[column] ? text.padStart(width) : text.padEnd(width);
  };
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}

export function markdownTable(lines: readonly (readonly string[])[]): string {
  const flush = columnsOfFigures(lines);
  const row = (line: readonly string[]): string =>
    `| ${line.map((each) => each.replaceAll("|", "\\|")).join(" | ")} |`;
  const [head = [], ...rest] = lines;
  const rule = `|${head.map((_, column) => (flush[column] ? "--:" : "---")).join("|")}|`;
  return [row(head), rule, ...rest.map(row)].join("\n");
}

function columnsOfFigures(lines: readonly (readonly string[])[]): boolean[] {
  const figure = /^(?:[\d,.]+(?: ×)?|-)?$/;
  return (lines[0] ?? []).map((_, column) => {
    const cells = lines.slice(1).map((line) => line[column] ?? "");
    return cells.some((each) => each !== "") && cells.every((each) => figure.test(each));
  });
}
