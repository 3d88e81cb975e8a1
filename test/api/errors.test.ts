import { describe, expect, test } from "vitest";
import { encodedWithRevision, encodeObject } from "../../shared/api/encode.ts";
import * as errors from "../../shared/api/errors.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { trackUpdate } from "../../shared/api/patch/apply.ts";
import type { KindTable } from "../../shared/api/schema.ts";

const pods = kindByResource("pods") as KindTable;
const deployments = kindByResource("deployments.apps") as KindTable;

describe("Status", () => {
  test.each<[errors.StatusError, number, string, string]>([
    [errors.notFound(pods, "x"), 404, "NotFound", 'pods "x" not found'],
    [
      errors.alreadyExists(deployments, "x"),
      409,
      "AlreadyExists",
      'deployments.apps "x" already exists',
    ],
    [
      errors.conflict(deployments, "web"),
      409,
      "Conflict",
      'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; ' +
        "please apply your changes to the latest version and try again",
    ],
    [errors.badRequest("no"), 400, "BadRequest", "no"],
    [errors.unauthorized(), 401, "Unauthorized", "Unauthorized"],
    [
      errors.unauthorizedAction({ user: "x", verb: "list", resource: "pods", namespace: "y" }),
      403,
      "Forbidden",
      'pods is forbidden: User "x" cannot list resource "pods" in API group "" ' +
        'in the namespace "y"',
    ],
    [
      errors.unauthorizedAction({
        user: "x",
        verb: "get",
        group: "apps",
        resource: "deployments",
        subresource: "scale",
        name: "web",
      }),
      403,
      "Forbidden",
      'deployments.apps "web" is forbidden: User "x" cannot get resource "deployments/scale" in ' +
        'API group "apps" at the cluster scope',
    ],
    [
      errors.unauthorizedAction({ user: "x", verb: "get", path: "/metrics" }),
      403,
      "Forbidden",
      'forbidden: User "x" cannot get path "/metrics"',
    ],
    [
      errors.forbidden(pods, "a", "exceeded quota: q"),
      403,
      "Forbidden",
      'pods "a" is forbidden: exceeded quota: q',
    ],
    [errors.expired("too old"), 410, "Expired", "too old"],
    [
      errors.methodNotSupported(deployments, "watch"),
      405,
      "MethodNotAllowed",
      'watch is not supported on resources of kind "deployments.apps"',
    ],
    [
      errors.requestTooLarge(3145728),
      413,
      "RequestEntityTooLarge",
      "Request entity too large: limit is 3145728",
    ],
    [
      errors.notAcceptable(["application/json"]),
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json",
    ],
    [errors.timeout("late"), 504, "Timeout", "Timeout: late"],
    [errors.tooManyRequests("slow down", 1), 429, "TooManyRequests", "slow down"],
    [errors.serviceUnavailable("away"), 503, "ServiceUnavailable", "away"],
    [errors.internalError("oops"), 500, "InternalError", "Internal error occurred: oops"],
  ])("%s", (error, code, reason, message) => {
    expect(error.body).toMatchObject({ kind: "Status", status: "Failure", code, reason, message });
    expect(error.message).toBe(message);
  });

  test("details name the resource, without what is empty", () => {
    expect(errors.notFound(pods, "x").body.details).toEqual({ name: "x", kind: "pods" });
    expect(errors.conflict(deployments, "w").body.details).toEqual({
      name: "w",
      group: "apps",
      kind: "deployments",
    });
    expect(errors.tooManyRequests("m", 5).body.details).toEqual({ retryAfterSeconds: 5 });
  });

  test("of an unexpected error tells the message only", () => {
    const body = errors.statusOf(new TypeError("x is not y"));
    expect(body.message).toBe("Internal error occurred: x is not y");
    expect(JSON.stringify(body)).not.toContain("errors.test");
  });
});

describe("findings", () => {
  test.each<[errors.FieldError, string]>([
    [errors.required("a"), "a: Required value"],
    [errors.required("a", "why"), "a: Required value: why"],
    [errors.invalidValue("a", 'x"\n', "why"), 'a: Invalid value: "x\\"\\n": why'],
    [errors.invalidValue("a", 5, "why"), "a: Invalid value: 5: why"],
    [errors.invalidValue("a", { b: 1 }, "why"), 'a: Invalid value: {"b":1}: why'],
    [errors.invalidValue("a", undefined, "why"), 'a: Invalid value: "null": why'],
    [
      errors.notSupported("a", "x", ["y", "z"]),
      'a: Unsupported value: "x": supported values: "y", "z"',
    ],
    [errors.duplicate("a", "x"), 'a: Duplicate value: "x"'],
    [errors.forbiddenField("a", "why"), "a: Forbidden: why"],
    [errors.notFoundValue("a", "x"), 'a: Not found: "x"'],
    [errors.tooLong("a", 63), "a: Too long: may not be more than 63 bytes"],
    [errors.tooMany("a", 3, 2), "a: Too many: 3: must have at most 2 items"],
    [errors.internalFieldError("a", "why"), "a: Internal error: why"],
  ])("%j", (error, message) => {
    expect(errors.fieldErrorMessage(error)).toBe(message);
  });

  test("equal ones are told once, and listed all", () => {
    const twice = [errors.required("a"), errors.required("a")];
    const { body } = errors.invalid(deployments, "w", twice);
    expect(body.message).toBe('Deployment.apps "w" is invalid: a: Required value');
    expect(body.details?.causes).toHaveLength(2);
  });
});

describe("stored form", () => {
  const object = {
    metadata: { name: "a", resourceVersion: "7" },
    spec: { text: '"metadata":{' },
    apiVersion: "v1",
    kind: "Pod",
  };

  test("begins with kind, apiVersion and metadata, without the version", () => {
    expect(encodeObject(object).toString()).toBe(
      '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"text":"\\"metadata\\":{"}}',
    );
    expect(object.metadata.resourceVersion).toBe("7");
  });

  test("holds its managed fields, whether their text is known or not", () => {
    const pod = { ...object, status: undefined } as KubernetesObject;
    const [entry] = trackUpdate(undefined, pod, pods, { manager: 'a "b"', now: 0 });
    for (const managedFields of [[], [entry], [entry, structuredClone(entry), {}]]) {
      const metadata = { ...object.metadata, managedFields } as KubernetesObject["metadata"];
      const { resourceVersion: _, ...stored } = metadata;
      const decoded = JSON.parse(encodeObject({ ...pod, metadata }).toString());
      expect(decoded).toEqual({ ...object, metadata: stored });
    }
  });

  test("gets its version when it is served", () => {
    const served = JSON.parse(encodedWithRevision(encodeObject(object), 12).toString());
    expect(served).toEqual({ ...object, metadata: { name: "a", resourceVersion: "12" } });
    const bare = encodeObject({ ...object, metadata: {} as { name: string } });
    expect(JSON.parse(encodedWithRevision(bare, 3).toString()).metadata).toEqual({
      resourceVersion: "3",
    });
  });
});
