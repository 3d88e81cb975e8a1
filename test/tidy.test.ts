import { describe, expect, it } from "vitest";
import { checkRules, type Violation } from "./tidy/rules.ts";
import { blankOut, readReferences, readSources, type Source } from "./tidy/source.ts";

function print(violations: readonly Violation[]): string[] {
  return violations.map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

function messagesFor(path: string, text: string): string[] {
  const source: Source = { path, text, code: blankOut(text) };
  return checkRules([source], [path]).map(({ message }) => message);
}

describe("the house rules", () => {
  it("hold in every file", () => {
    const violations = checkRules(readSources(), readReferences());
    expect(print(violations)).toEqual([]);
  });

  it.each([
    ["a clock", "Date.now()", "runtime.clock.now()"],
    ["the present date", "const at = new Date();", "new Date(runtime.clock.now())"],
    ["a timer", "setTimeout(run, 5);", "runtime.timers.after()"],
    ["randomness", "Math.random();", "runtime.random"],
    ["an identifier", "const id = ulid();", "runtime.ids.ulid()"],
    ["the environment", "process.env.HOME;", "main.ts"],
    ["the client of the bus", 'import { connect } from "nats";', "shared/store"],
    ["a default export", "export default 5;", "by its name"],
    ["any", "const value: any = 5;", "unknown"],
    ["a list of any", "const values = list as any[];", "unknown"],
    ["an import without ending", 'import { a } from "./a";', ".ts"],
    ["a long line", `const text = "${"x".repeat(100)}";`, "break the line"],
    ["a long file", "x();\n".repeat(401), "split it"],
    ["a long function", `function f() {\n${"  x();\n".repeat(70)}}`, "name its parts"],
    [
      "a long method",
      `class A {\n  #f(\n    a: string,\n  ) {\n${"    x();\n".repeat(70)}  }\n}`,
      "name its parts",
    ],
    ["a long arrow", `const f = () => {\n${"  x();\n".repeat(70)}};`, "name its parts"],
    ["a wait", "export function reconcile() {}\nconst f = async () => 1;", "driver"],
    ["a note to finish", `// TO${"DO"}: later`, "finish it"],
  ])("catch %s", (_title, text, message) => {
    expect(messagesFor("services/some/file.ts", text).join("\n")).toContain(message);
  });

  it.each([
    ["a word in a comment", "services/a.ts", "// Date.now() is not for any of us"],
    ["a word in a string", "services/a.ts", 'const text = "Math.random()";'],
    ["a word in a template", "services/a.ts", "const text = `process.env`;"],
    ["a given date", "services/a.ts", "const at = new Date(5);"],
    ["the runtime's identifiers", "services/a.ts", "const trace = runtime.ids.ulid();"],
    ["a regular expression", "services/a.ts", "const found = /setTimeout/.test(text);"],
    ["the environment in main", "services/scheduler/main.ts", "const home = process.env.HOME;"],
    ["nats in nats", "nats/connect.ts", 'import { connect } from "nats";'],
    ["the clock in the runtime", "shared/runtime/live.ts", "const now = Date.now();"],
    ["short functions", "services/a.ts", `${"function f() {\n  x();\n}\n".repeat(30)}`],
  ])("let pass %s", (_title, path, text) => {
    expect(messagesFor(path, text)).toEqual([]);
  });

  it("look into template substitutions, and not into templates", () => {
    expect(blankOut(["`a $", "{now()} b $", "{`c $", "{d}`} {e}`;"].join(""))).toBe(
      ["`  $", "{now()}   $", "{`  $", "{d}`}    `;"].join(""),
    );
  });

  it("name a file that nothing imports", () => {
    const source: Source = { path: "services/lost.ts", text: "", code: "" };
    expect(print(checkRules([source], []))).toEqual([
      "services/lost.ts:1: nothing imports this file: use it or delete it",
    ]);
  });
});
