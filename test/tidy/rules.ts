import type { Source } from "./source.ts";

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

const LINES_PER_FILE_MAX = 400;
const LINES_PER_FUNCTION_MAX = 70;
const COLUMNS_MAX = 100;

/** What only the runtime may touch, and what to use instead. */
const OUTSIDE_WORLD: readonly [pattern: RegExp, name: string, instead: string][] = [
  [/\bDate\.now\b/g, "Date.now", "runtime.clock.now()"],
  [/\bnew Date\(\s*\)/g, "new Date()", "new Date(runtime.clock.now())"],
  [/\bperformance\.now\b/g, "performance.now", "runtime.clock.monotonic()"],
  [/\bprocess\.hrtime\b/g, "process.hrtime", "runtime.clock.monotonic()"],
  [/(?<![.\w])setTimeout\b/g, "setTimeout", "runtime.timers.after()"],
  [/(?<![.\w])setInterval\b/g, "setInterval", "runtime.timers.every()"],
  [/(?<![.\w])setImmediate\b/g, "setImmediate", "runtime.timers.after(0, ...)"],
  [/\bMath\.random\b/g, "Math.random", 'runtime.random.stream("<name>").next()'],
  [/\brandomUUID\b/g, "randomUUID", "runtime.ids.uuid()"],
  [
    /\b(?:randomBytes|randomInt|randomFillSync|getRandomValues)\b/g,
    "crypto's randomness",
    'runtime.random.stream("<name>").bytes()',
  ],
  [/(?<![.\w])ulid\(/g, "ulid()", "runtime.ids.ulid()"],
  [/\bprocess\.env\b/g, "process.env", "a setting that main.ts passes on"],
  [/\bWeakRef\b|\bFinalizationRegistry\b/g, "WeakRef", "an explicit end of use"],
];

/** Tests that drive real processes cannot do without real time. */
const REAL_TIME_TESTS = /^test\/(?!actor|api|golden|sim|runtime|tidy)/;

/** Every rule over every file; all violations at once. */
export function checkRules(sources: readonly Source[], references: readonly string[]): Violation[] {
  return [
    ...sources.flatMap((source) => RULES.flatMap((rule) => rule(source))),
    ...deadFiles(sources, references),
  ];
}

type Rule = (source: Source) => Violation[];

const RULES: readonly Rule[] = [
  fileLength,
  lineLength,
  functionLength,
  outsideWorld,
  natsImports,
  pureDecisions,
  defaultExports,
  anyType,
  sleepingTests,
  relativeImports,
  unfinished,
];

function fileLength({ path, text }: Source): Violation[] {
  const lines = text.split("\n").length - 1;
  if (lines <= LINES_PER_FILE_MAX) return [];
  const message = `${lines} lines; at most ${LINES_PER_FILE_MAX}: split it by what it is about`;
  return [{ path, line: 1, message }];
}

function lineLength({ path, text }: Source): Violation[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.length <= COLUMNS_MAX || /https?:\/\//.test(line)) return [];
    const message = `${line.length} columns; at most ${COLUMNS_MAX}: break the line`;
    return [{ path, line: index + 1, message }];
  });
}

const FUNCTION_START = [
  /^\s*(?:export )?(?:async )?function\b/,
  /^\s+(?:(?:static|async|get|set|override) )*[#\w$]+(?:<.*>)?\((?!.*\) =>)/,
  /=> \{$/,
];
const NOT_A_METHOD = /^\s+(?:if|for|while|switch|catch|return|await|throw|super|void|yield)\b/;

/** Rests on the formatter: what a line opens is closed on the next line of the same indentation. */
function functionLength({ path, code }: Source): Violation[] {
  if (path.startsWith("test/")) return [];
  const lines = code.split("\n");
  return lines.flatMap((line, index) => {
    if (NOT_A_METHOD.test(line) && !line.endsWith("=> {")) return [];
    if (!FUNCTION_START.some((start) => start.test(line))) return [];
    const end = endOfFunction(lines, index);
    const length = end - index + 1;
    if (length <= LINES_PER_FUNCTION_MAX) return [];
    const most = LINES_PER_FUNCTION_MAX;
    const message = `function of ${length} lines; at most ${most}: name its parts`;
    return [{ path, line: index + 1, message }];
  });
}

function endOfFunction(lines: readonly string[], start: number): number {
  const indent = (lines[start] as string).search(/\S/);
  let opened = (lines[start] as string).endsWith("{");
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] as string;
    if (line.trim() === "" || line.search(/\S/) > indent) continue;
    // `) {` ends the parameters; anything else at this depth ends the function or is another one.
    if (opened || !/^\s*\).*\{$/.test(line)) return opened ? index : start;
    opened = true;
  }
  return start;
}

function outsideWorld({ path, code }: Source): Violation[] {
  const allowed =
    path.startsWith("shared/runtime/") ||
    path.startsWith("nats/") ||
    path.startsWith("services/cli/") ||
    path.startsWith("test/") ||
    path.endsWith("/main.ts");
  if (allowed) return [];
  return OUTSIDE_WORLD.flatMap(([pattern, name, instead]) =>
    linesOf(code, pattern).map((line) => {
      return { path, line, message: `${name} outside the runtime: use ${instead}` };
    }),
  );
}

function natsImports({ path, text }: Source): Violation[] {
  if (path.startsWith("nats/") || path.startsWith("test/tidy/")) return [];
  return linesOf(text, /^import .*from "nats"|import\("nats"\)/gm).map((line) => {
    return { path, line, message: 'imports "nats": use shared/store and shared/actor/bus' };
  });
}

/**
 * An actor's decision is a function of its arguments: nothing to wait for. (The apiserver's own
 * decisions are tried again against its log, in the same files.)
 */
function pureDecisions({ path, code }: Source): Violation[] {
  if (path.startsWith("services/apiserver/")) return [];
  if (!/^export (?:async )?(?:function|const) (?:reconcile|decide\w*)\b/m.test(code)) return [];
  return linesOf(code, /\b(?:await|async)\b/g).map((line) => {
    const message =
      "await or async in a file of decisions: put the I/O into a driver or the runtime";
    return { path, line, message };
  });
}

function defaultExports({ path, code }: Source): Violation[] {
  if (path.endsWith("vitest.config.ts")) return [];
  return linesOf(code, /^export default\b/gm).map((line) => {
    return { path, line, message: "default export: export it by its name" };
  });
}

function anyType({ path, code }: Source): Violation[] {
  if (path === "shared/api/object.ts") return [];
  const pattern = /(?:[:<|,(]\s*|\bas )any\b(?=\s*(?:[;,)>\]|=[]|$))/gm;
  return linesOf(code, pattern).map((line) => {
    return { path, line, message: "any: use unknown, or KubernetesObject" };
  });
}

function sleepingTests({ path, code }: Source): Violation[] {
  if (!path.startsWith("test/") || REAL_TIME_TESTS.test(path)) return [];
  return linesOf(code, /\bsetTimeout\(|\bsetInterval\(/g).map((line) => {
    return { path, line, message: "sleeps in real time: use the seeded runtime's advance()" };
  });
}

function relativeImports({ path, text }: Source): Violation[] {
  return linesOf(text, /^(?:import|export) .*from "\.[^"]*(?<!\.ts|\.json)";/gm).map((line) => {
    return { path, line, message: "import without its ending: write .ts" };
  });
}

const UNFINISHED = /\b(?:TODO|FIXME|XXX|HACK)\b|\/work\//g;

function unfinished({ path, text }: Source): Violation[] {
  if (path.startsWith("test/tidy/")) return [];
  return linesOf(text, UNFINISHED).map((line) => {
    return {
      path,
      line,
      message: "a note to finish, or a path of one machine: finish it, drop it",
    };
  });
}

/** Files that no other file imports or names, and that no tool starts. */
function deadFiles(sources: readonly Source[], references: readonly string[]): Violation[] {
  const imported = new Set<string>();
  for (const { path, text } of sources) {
    for (const [, target] of text.matchAll(/(?:from|import|import\(|URL\() ?"(\.[^"]+)"/g)) {
      imported.add(new URL(target as string, `file:///${path}`).pathname.slice(1));
    }
  }
  return sources
    .filter(({ path }) => !imported.has(path) && !isEntryPoint(path))
    .filter(({ path }) => !isNamed(path, references))
    .map(({ path }) => ({
      path,
      line: 1,
      message: "nothing imports this file: use it or delete it",
    }));
}

/** By its path, or by its name outside of imports: a program that another one starts. */
function isNamed(path: string, references: readonly string[]): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return references.some((text) => {
    if (text.includes(path)) return true;
    const rest = text.replace(/^(?:import|export) .*$/gm, "");
    return rest.includes(`/${name}"`) || rest.includes(`"${name}"`);
  });
}

function isEntryPoint(path: string): boolean {
  return /(?:^|\/)(?:main|process|vitest\.config)\.ts$|\.(?:test|bench)\.ts$/.test(path);
}

function linesOf(text: string, pattern: RegExp): number[] {
  const lines: number[] = [];
  for (const match of text.matchAll(pattern)) {
    lines.push(text.slice(0, match.index).split("\n").length);
  }
  return lines;
}
