import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Call } from "./harness.ts";
import { startCluster } from "./harness.ts";

interface Step extends Call {
  /** Keeps the answer's body under this name for `${name.path}` in later steps. */
  readonly save?: string;
  readonly code: number;
  /** The answer's message, when it is a Status. */
  readonly message?: string;
  readonly reason?: string;
  /** Fields that the answer must have; null: must be absent. */
  readonly expect?: Record<string, unknown>;
  readonly warnings?: readonly string[];
  /** Names of a list's items, in order. */
  readonly names?: readonly string[];
}

interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
}

const folder = new URL("./cases/", import.meta.url);

for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
  const cases = parse(readFileSync(new URL(file, folder), "utf8"), { merge: true }) as Case[];
  describe(file.replace(".yaml", ""), () => {
    for (const { name, steps } of cases) test(name, () => runCase(steps));
  });
}

async function runCase(steps: readonly Step[]): Promise<void> {
  const { call } = await startCluster();
  const saved: Record<string, unknown> = {};
  for (const [index, step] of steps.entries()) {
    const filled = fill(step, saved) as Step;
    const answer = await call(filled);
    const what = `step ${index + 1}: ${step.verb} ${step.resource}: ${JSON.stringify(answer.body)}`;
    expect(answer.code, what).toBe(step.code);
    if (filled.message !== undefined) expect(answer.body.message, what).toBe(filled.message);
    if (filled.reason !== undefined) expect(answer.body.reason, what).toBe(filled.reason);
    if (filled.warnings !== undefined) expect(answer.warnings, what).toEqual(filled.warnings);
    if (filled.names !== undefined) {
      const items: { metadata: { name: string } }[] = answer.body.items;
      const names = items.map(({ metadata }) => metadata.name);
      expect(names, what).toEqual(filled.names);
    }
    checkFields(answer.body, filled.expect ?? {}, what);
    if (step.save) saved[step.save] = answer.body;
  }
}

/** `metadata.labels` or `metadata.labels["a.b"]` style paths are plain nested objects here. */
function checkFields(actual: unknown, wanted: Record<string, unknown>, what: string): void {
  for (const [name, value] of Object.entries(wanted)) {
    const found = (actual as Record<string, unknown> | undefined)?.[name];
    const here = `${what}\nfield ${name}`;
    if (value === null) expect(found, here).toBeUndefined();
    else if (typeof value === "object" && !Array.isArray(value)) {
      checkFields(found, value as Record<string, unknown>, here);
    } else expect(found, here).toEqual(value);
  }
}

/** Replaces `${name.path}` by what was saved; alone in a text, by the value itself. */
function fill(value: unknown, saved: Record<string, unknown>): unknown {
  if (typeof value === "string") return fillText(value, saved);
  if (Array.isArray(value)) return value.map((item) => fill(item, saved));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, fill(field, saved)]),
  );
}

function fillText(text: string, saved: Record<string, unknown>): unknown {
  const whole = /^\$\{([^}]+)\}$/.exec(text)?.[1];
  if (whole !== undefined) return look(saved, whole);
  return text.replace(/\$\{([^}]+)\}/g, (_, path: string) => String(look(saved, path)));
}

function look(saved: Record<string, unknown>, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => {
    return (value as Record<string, unknown> | undefined)?.[name];
  }, saved);
}
