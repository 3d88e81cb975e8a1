import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["services", "shared", "nats", "test"];

/** One source file, as it is and with its comments and the contents of its strings blanked out. */
export interface Source {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Same length and lines as `text`. */
  readonly code: string;
}

/** Every TypeScript file of the repository but the generated ones. */
export function readSources(): Source[] {
  return FOLDERS.flatMap((folder) => listFiles(join(ROOT, folder)))
    .filter((path) => path.endsWith(".ts") && !path.includes("/generated/"))
    .map((path) => {
      const text = readFileSync(path, "utf8");
      return { path: relative(ROOT, path), text, code: blankOut(text) };
    });
}

/** Every file that may name another one: programs, configuration. */
export function readReferences(): string[] {
  const top = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(json|mjs|ts)$/.test(entry.name))
    .filter((entry) => entry.name !== "package-lock.json")
    .map((entry) => join(ROOT, entry.name));
  const inner = FOLDERS.flatMap((folder) => listFiles(join(ROOT, folder)));
  return [...top, ...inner.filter((path) => /\.(mjs|ts)$/.test(path))].map((path) =>
    readFileSync(path, "utf8"),
  );
}

function listFiles(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("node_modules"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Where a regular expression may begin: not behind a value. */
const BEFORE_REGEXP = /(?:^|[=(,:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else))\s*$/;

/**
 * Replaces comments, contents of strings, templates and regular expressions by blanks, so that a
 * search finds code only. What stands in `${}` stays.
 */
export function blankOut(text: string): string {
  let out = "";
  let index = 0;
  /** Open `{` in each template substitution around this place. */
  const depths: number[] = [];
  const skipTo = (end: number): void => {
    out += text.slice(index, end).replace(/[^\n]/g, " ");
    index = end;
  };
  const template = (): void => {
    let end = index;
    while (end < text.length && text[end] !== "`" && text.slice(end, end + 2) !== "${") {
      end += text[end] === "\\" ? 2 : 1;
    }
    skipTo(end);
    if (text[index] === "`") {
      out += "`";
      index++;
    } else {
      out += "${";
      index += 2;
      depths.push(0);
    }
  };
  while (index < text.length) {
    const char = text[index] as string;
    const two = text.slice(index, index + 2);
    if (two === "//") skipTo(endOf(text, "\n", index));
    else if (two === "/*") skipTo(endOf(text, "*/", index) + 2);
    else if (char === '"' || char === "'") {
      out += char;
      index++;
      skipTo(endOfString(text, char, index));
      out += char;
      index++;
    } else if (char === "/" && BEFORE_REGEXP.test(out.slice(-40))) skipTo(endOfRegExp(text, index));
    else if (char === "`") {
      out += char;
      index++;
      template();
    } else if (char === "}" && depths.at(-1) === 0) {
      depths.pop();
      out += char;
      index++;
      template();
    } else {
      if (depths.length > 0 && char === "{") depths[depths.length - 1]! += 1;
      if (depths.length > 0 && char === "}") depths[depths.length - 1]! -= 1;
      out += char;
      index++;
    }
  }
  return out;
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end;
}

function endOfString(text: string, quote: string, from: number): number {
  let end = from;
  while (end < text.length && text[end] !== quote && text[end] !== "\n") {
    end += text[end] === "\\" ? 2 : 1;
  }
  return end;
}

function endOfRegExp(text: string, from: number): number {
  let inClass = false;
  for (let end = from + 1; end < text.length; end++) {
    const char = text[end];
    if (char === "\\") end++;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "\n") return from + 1;
    else if (char === "/" && !inClass) return end + 1;
  }
  return text.length;
}
