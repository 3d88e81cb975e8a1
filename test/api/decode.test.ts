import { describe, expect, test } from "vitest";
import { decodeBody, decodeObject, type FieldValidation } from "../../shared/api/decode.ts";
import { StatusError } from "../../shared/api/errors.ts";
import { KINDS } from "../../shared/api/kinds.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import { tableOf } from "./cases.ts";

interface Case {
  readonly name: string;
  readonly body?: string;
  readonly repeat?: { readonly text: string; readonly times: number };
  readonly kind?: string;
  readonly contentType?: string;
  readonly object?: unknown;
  readonly warnings?: readonly string[];
  readonly error?: string;
  readonly errorMatches?: string;
}

function kindNamed(kind: string): KindTable {
  const table = KINDS.find((candidate) => candidate.kind === kind);
  if (!table) throw new Error(`no kind ${kind}`);
  return table;
}

function statusOf(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("bodies", () => {
  test.each(tableOf<readonly Case[]>("decode.yaml"))("$name", (given) => {
    const { warnings = [], contentType = "application/json" } = given;
    const body = given.repeat ? given.repeat.text.repeat(given.repeat.times) : (given.body ?? "");
    const table = kindNamed(given.kind ?? "Pod");
    const decode = (mode: FieldValidation) =>
      decodeBody(Buffer.from(body), contentType, table, mode);
    if (given.errorMatches) {
      expect(statusOf(() => decode("Ignore")).message).toMatch(new RegExp(given.errorMatches));
      return;
    }
    if (given.error && !warnings.length) {
      const { body: status } = statusOf(() => decode("Ignore"));
      expect(status).toMatchObject({ reason: "BadRequest", code: 400, message: given.error });
      return;
    }
    if (warnings.length) {
      const strict = statusOf(() => decode("Strict"));
      expect(strict.message).toContain("strict decoding error: ");
      if (given.error) expect(strict.message).toBe(given.error);
    }
    expect(decode("Ignore").warnings).toEqual([]);
    expect(decode("Warn").warnings).toEqual(warnings);
    if (given.object) expect(decode("Warn").object).toEqual(given.object);
  });

  test("other content types are refused", () => {
    const { body } = statusOf(() =>
      decodeBody(
        Buffer.from("{}"),
        "application/vnd.kubernetes.protobuf",
        kindNamed("Pod"),
        "Warn",
      ),
    );
    expect(body).toMatchObject({
      code: 415,
      reason: "UnsupportedMediaType",
      message:
        "the body of the request was in an unknown format - accepted media types include: " +
        "application/json, application/yaml",
    });
  });

  test("objects from elsewhere are checked alike", () => {
    const object = { metadata: { name: "a" }, spec: { foo: 1, hostname: "h" } };
    expect(decodeObject(object, kindNamed("Pod"), "Warn")).toEqual({
      object: { kind: "Pod", apiVersion: "v1", metadata: { name: "a" }, spec: { hostname: "h" } },
      warnings: ['unknown field "spec.foo"'],
    });
  });

  test("large base64 is no trouble", () => {
    const data = Buffer.alloc(3_000_000, 7).toString("base64");
    const body = Buffer.from(JSON.stringify({ metadata: { name: "a" }, data: { a: data } }));
    const { object } = decodeBody(body, "application/json", kindNamed("Secret"), "Strict");
    expect(object["data"].a).toHaveLength(data.length);
  });
});

describe("an object made from a stored one", () => {
  const table = kindNamed("Pod");
  const containers = [{ name: "a", resources: { requests: { cpu: "1" } }, odd: true }];
  const stored = {
    kind: "Pod",
    apiVersion: "v1",
    metadata: { name: "a", labels: { a: "1" } },
    spec: { containers, nodeName: "n" },
  };

  test("shares with it what it has left alone, though it would not be written like this", () => {
    const spec = { ...stored.spec, overhead: { cpu: "1000m" } };
    const { object } = decodeObject({ ...stored, spec }, table, "Strict", stored);
    expect(object["spec"].containers).toBe(containers);
    expect(object["spec"].overhead).toEqual({ cpu: "1" });
  });

  test("is checked where it differs", () => {
    const refused = (value: unknown) =>
      statusOf(() => decodeObject(value, table, "Strict", stored)).body.message;
    expect(refused({ ...stored, status: { odd: 1 } })).toMatch(/unknown field/);
    expect(refused({ ...stored, spec: { ...stored.spec, nodeName: 1 } })).toMatch(/string/);
    expect(refused({ ...stored, spec: { containers: [...containers] } })).toMatch(/unknown field/);
    const labels = { ...stored.metadata.labels, b: 1 };
    expect(refused({ ...stored, metadata: { ...stored.metadata, labels } })).toMatch(/string/);
  });

  test("loses its nulls where it differs", () => {
    const spec = { ...stored.spec, nodeName: null };
    const { object } = decodeObject({ ...stored, spec }, table, "Strict", stored);
    expect(object["spec"]).toEqual({ containers });
  });
});
