import { describe, expect, test } from "vitest";
import type { KubernetesObject, ManagedFieldsEntry } from "../../../shared/api/object.ts";
import { managerName, trackUpdate } from "../../../shared/api/patch/apply.ts";
import { UPDATE_MANAGERS_MAX } from "../../../shared/api/patch/managers.ts";
import { deepFreeze, tableOf } from "../patch/cases.ts";

const table = tableOf("ConfigMap");

function configMap(
  data: Record<string, string>,
  managedFields?: ManagedFieldsEntry[],
): KubernetesObject {
  const metadata = { name: "x", ...(managedFields ? { managedFields } : {}) };
  return deepFreeze({ apiVersion: "v1", kind: "ConfigMap", metadata, data });
}

function entry(manager: string, fields: object, rest: object = {}): ManagedFieldsEntry {
  return {
    manager,
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: fields as Record<string, unknown>,
    ...rest,
  };
}

describe("managed fields of ordinary writes", () => {
  test("the form of an entry", () => {
    const deployment = tableOf("apps/v1/Deployment");
    const object = deepFreeze({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: {
        name: "web",
        uid: "u",
        resourceVersion: "1",
        generation: 1,
        labels: { app: "w" },
      },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: "w" } },
        strategy: { rollingUpdate: { maxSurge: 1 }, type: "RollingUpdate" },
        template: {
          metadata: { labels: { app: "w" } },
          spec: {
            containers: [
              { name: "c", image: "i", ports: [{ containerPort: 80, protocol: "TCP" }] },
            ],
            restartPolicy: "Always",
          },
        },
      },
      status: {},
    });
    const now = Date.UTC(2026, 10, 20, 23, 42, 1, 999);
    const entries = trackUpdate(undefined, object, deployment, { manager: "kubectl-create", now });
    expect(entries).toEqual([
      {
        manager: "kubectl-create",
        operation: "Update",
        apiVersion: "apps/v1",
        time: "2026-11-20T23:42:01Z",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
          "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} }, "f:type": {} },
            "f:template": {
              "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
              "f:spec": {
                "f:containers": {
                  'k:{"name":"c"}': {
                    ".": {},
                    "f:image": {},
                    "f:name": {},
                    "f:ports": {
                      ".": {},
                      'k:{"containerPort":80,"protocol":"TCP"}': {
                        ".": {},
                        "f:containerPort": {},
                        "f:protocol": {},
                      },
                    },
                  },
                },
                "f:restartPolicy": {},
              },
            },
          },
        },
      },
    ]);
  });

  test("no change: the very same entries", () => {
    const old = configMap({ a: "1" }, [entry("u", { "f:data": { ".": {}, "f:a": {} } })]);
    const next = configMap({ a: "1" });
    expect(trackUpdate(old, next, table, { manager: "v", now: 0 })).toBe(
      old.metadata.managedFields,
    );
  });

  test("entries that the client sends are taken", () => {
    const old = configMap({ a: "1" }, [entry("u", { "f:data": { ".": {}, "f:a": {} } })]);
    const sent = [entry("other", { "f:data": { "f:a": {} } })];
    const entries = trackUpdate(old, configMap({ a: "1" }, sent), table, { manager: "v", now: 0 });
    expect(entries).toEqual(sent);
  });

  test("entries that cannot be read are not", () => {
    const old = configMap({ a: "1" }, [entry("u", { "f:data": { ".": {}, "f:a": {} } })]);
    for (const wrong of [
      entry("x", { nonsense: {} }),
      entry("x", {}, { operation: "Replace" }),
      entry("x", {}, { fieldsType: "FieldsV2" }),
      entry("x", {}, { apiVersion: "" }),
    ]) {
      const next = configMap({ a: "1" }, [wrong]);
      expect(trackUpdate(old, next, table, { manager: "v", now: 0 })).toEqual(
        old.metadata.managedFields,
      );
    }
  });

  test("an empty list, or one empty entry, ends the tracking", () => {
    const old = configMap({ a: "1" }, [entry("u", { "f:data": { ".": {}, "f:a": {} } })]);
    for (const reset of [[], [{}]]) {
      const next = configMap({ a: "2" }, reset);
      expect(trackUpdate(old, next, table, { manager: "v", now: 0 })).toEqual([]);
    }
  });

  test("a subresource cannot send entries", () => {
    const old = configMap({ a: "1" }, [entry("u", { "f:data": { ".": {}, "f:a": {} } })]);
    const next = configMap({ a: "1" }, []);
    const options = { manager: "v", now: 0, subresource: "status" };
    expect(trackUpdate(old, next, table, options)).toBe(old.metadata.managedFields);
  });

  test("keys that the client spelled otherwise are understood", () => {
    const pods = tableOf("Pod");
    const pod = (image: string, managedFields?: ManagedFieldsEntry[]) =>
      deepFreeze({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "x", ...(managedFields ? { managedFields } : {}) },
        spec: { containers: [{ name: "c", image }] },
      });
    const fields = { "f:spec": { "f:containers": { 'k:{ "name": "c" }': { "f:image": {} } } } };
    const old = pod("a", [entry("u", fields)]);
    const entries = trackUpdate(old, pod("b"), pods, { manager: "v", now: 0 });
    expect(entries.map(({ manager }) => manager)).toEqual(["v"]);
  });

  test("the oldest writers are merged when there are too many", () => {
    let live = configMap({});
    for (let index = 0; index < UPDATE_MANAGERS_MAX + 3; index++) {
      const data = { ...live["data"], [`k${String(index).padStart(2, "0")}`]: "v" };
      const options = { manager: `writer-${index}`, now: index * 1000 };
      const entries = trackUpdate(index ? live : undefined, configMap(data), table, options);
      live = configMap(data, entries);
    }
    const entries = live.metadata.managedFields ?? [];
    expect(entries).toHaveLength(UPDATE_MANAGERS_MAX);
    expect(entries[0]?.manager).toBe("ancient-changes");
    expect(Object.keys(entries[0]?.fieldsV1?.["f:data"] as object)).toEqual([
      ".",
      "f:k00",
      "f:k01",
      "f:k02",
      "f:k03",
    ]);
  });

  test("who writes", () => {
    expect(managerName("me", "kubectl/v1.32 (linux)")).toBe("me");
    expect(managerName("", "kubectl/v1.32 (linux)")).toBe("kubectl");
    expect(managerName(null, "a\u0007b")).toBe("ab");
    expect(managerName(undefined, "x".repeat(200))).toBe("x".repeat(128));
  });
});
