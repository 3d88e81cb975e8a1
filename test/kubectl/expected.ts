/**
 * Compares printed text with what is expected of it. Blanks within a line count as one; `<*>` is
 * any one word, `<**>` the rest of a line, `...` on a line of its own any number of lines.
 * @returns what differs; undefined when nothing does.
 */
export function difference(expected: string, actual: string): string | undefined {
  const pattern = new RegExp(`^${linesOf(expected).map(linePattern).join("")}$`);
  const text = linesOf(actual)
    .map((line) => `${line}\n`)
    .join("");
  if (pattern.test(text)) return undefined;
  return `expected:\n${expected}\nprinted:\n${actual}`;
}

function linesOf(text: string): string[] {
  const lines = text.replaceAll("\r\n", "\n").trimEnd().split("\n");
  if (lines.length === 1 && lines[0] === "") return [];
  return lines.map((line) => {
    const indent = /^\s*/.exec(line)?.[0] ?? "";
    return indent + line.slice(indent.length).trimEnd().replace(/\s+/g, " ");
  });
}

function linePattern(line: string): string {
  if (line.trim() === "...") return "(?:[^\\n]*\\n)*";
  const text = line
    .split(/(<\*\*?>)/)
    .map((part) => {
      if (part === "<*>") return "\\S+";
      return part === "<**>" ? "[^\\n]*" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("");
  return `${text}\\n`;
}
