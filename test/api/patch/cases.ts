import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { parse } from "yaml";
import { StatusError } from "../../../shared/api/errors.ts";
import { kindOfObject } from "../../../shared/api/kinds.ts";
import type { KindTable } from "../../../shared/api/schema.ts";

/** The cases of a YAML file beside the test. */
export function casesOf<T>(folder: string, file: string): T[] {
  return parse(readFileSync(new URL(file, folder), "utf8")) as T[];
}

/** What a case expects of a failure. */
export interface ExpectedError {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
  readonly causes?: readonly object[];
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

/** The table of `Pod`, `apps/v1/Deployment`. */
export function tableOf(kind: string): KindTable {
  const parts = kind.split("/");
  const apiVersion = parts.length === 1 ? "v1" : parts.slice(0, -1).join("/");
  const table = kindOfObject({ apiVersion, kind: parts.at(-1) as string });
  if (!table) throw new Error(`no kind ${kind}`);
  return table;
}

/** Runs what must fail, and compares its Status. */
export function expectFailure(run: () => unknown, expected: ExpectedError): void {
  let failure: unknown;
  try {
    run();
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(StatusError);
  const { code, reason, message, details } = (failure as StatusError).body;
  expect({ code, message }).toEqual({ code: expected.code, message: expected.message ?? message });
  if (expected.reason !== undefined) expect(reason ?? "").toBe(expected.reason);
  if (expected.causes) expect(details?.causes).toEqual(expected.causes);
}
