import { describe, expect, test } from "vitest";
import { Discovery, discoveryDocument } from "../../../services/apiserver/discovery/index.ts";
import { compareVersions } from "../../../services/apiserver/discovery/resources.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { expectFailure, tableOf } from "../patch/cases.ts";

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const BETA = AGGREGATED.replace("v=v2", "v=v2beta1");

function read(path: string, accept = "application/json"): Record<string, unknown> | undefined {
  const document = discoveryDocument(path, accept);
  return document && JSON.parse(document.bytes.toString());
}

describe("plain discovery", () => {
  test("/api", () => {
    expect(read("/api")).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
  });

  test("/apis names groups with their preferred version", () => {
    const { kind, groups } = read("/apis") as { kind: string; groups: { name: string }[] };
    expect(kind).toBe("APIGroupList");
    expect(groups[0]).toEqual({
      name: "apps",
      versions: [{ groupVersion: "apps/v1", version: "v1" }],
      preferredVersion: { groupVersion: "apps/v1", version: "v1" },
    });
    expect(groups.map(({ name }) => name)).toContain("rbac.authorization.k8s.io");
  });

  test("/api/v1 lists resources and subresources by name", () => {
    const list = read("/api/v1") as { resources: { name: string }[] };
    expect(list).toMatchObject({ kind: "APIResourceList", groupVersion: "v1" });
    expect(list).not.toHaveProperty("apiVersion");
    const names = list.resources.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(list.resources.find(({ name }) => name === "pods")).toEqual({
      name: "pods",
      singularName: "pod",
      namespaced: true,
      kind: "Pod",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      shortNames: ["po"],
      categories: ["all"],
      storageVersionHash: "xPOwRZ+Yhw8=",
    });
    expect(list.resources.find(({ name }) => name === "pods/eviction")).toEqual({
      name: "pods/eviction",
      singularName: "",
      namespaced: true,
      group: "policy",
      version: "v1",
      kind: "Eviction",
      verbs: ["create"],
    });
  });

  test("/apis/<group> and /apis/<group>/<version>", () => {
    expect(read("/apis/apps")).toMatchObject({ kind: "APIGroup", apiVersion: "v1", name: "apps" });
    expect(read("/apis/apps/v1")).toMatchObject({
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion: "apps/v1",
    });
    expect(read("/apis/apps/")).toEqual(read("/apis/apps"));
  });

  test("what is not served", () => {
    for (const path of [
      "/",
      "/api/v2",
      "/api/v1/pods",
      "/apis/x",
      "/apis/apps/v2",
      "/apis//v1",
      "/x",
    ]) {
      expect(read(path), path).toBeUndefined();
    }
  });

  test("the same bytes and ETag each time", () => {
    const first = discoveryDocument("/apis", "application/json");
    expect(discoveryDocument("/apis", "*/*")).toBe(first);
    expect(first?.etag).toMatch(/^"[0-9A-F]{128}"$/);
  });
});

describe("aggregated discovery", () => {
  test("/api and /apis", () => {
    for (const [accept, version] of [
      [AGGREGATED, "v2"],
      [BETA, "v2beta1"],
    ] as const) {
      const core = read("/api", accept) as { items: { versions: { resources: object[] }[] }[] };
      expect(core).toMatchObject({
        kind: "APIGroupDiscoveryList",
        apiVersion: `apidiscovery.k8s.io/${version}`,
        items: [{ metadata: {}, versions: [{ version: "v1", freshness: "Current" }] }],
      });
      const resources = core.items[0]?.versions[0]?.resources as { resource: string }[];
      expect(resources.find(({ resource }) => resource === "namespaces")).toEqual({
        resource: "namespaces",
        responseKind: { group: "", version: "v1", kind: "Namespace" },
        scope: "Cluster",
        singularResource: "namespace",
        verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
        shortNames: ["ns"],
        subresources: [
          {
            subresource: "finalize",
            responseKind: { group: "", version: "v1", kind: "Namespace" },
            verbs: ["update"],
          },
          {
            subresource: "status",
            responseKind: { group: "", version: "v1", kind: "Namespace" },
            verbs: ["get", "patch", "update"],
          },
        ],
      });
      const document = discoveryDocument("/apis", accept);
      expect(document?.contentType).toBe(accept);
    }
  });

  test("the first form that Accept names", () => {
    const first = `application/vnd.kubernetes.protobuf,${BETA},${AGGREGATED},application/json`;
    expect(discoveryDocument("/api", first)?.contentType).toBe(BETA);
    expect(discoveryDocument("/api", `application/json,${AGGREGATED}`)?.contentType).toBe(
      "application/json",
    );
    expect(discoveryDocument("/api", "")?.contentType).toBe("application/json");
  });

  test("only /api and /apis are aggregated", () => {
    expect(discoveryDocument("/api/v1", `${AGGREGATED},application/json`)?.contentType).toBe(
      "application/json",
    );
  });

  test("nothing that Accept names", () => {
    expectFailure(() => discoveryDocument("/api", "application/xml"), {
      code: 406,
      reason: "NotAcceptable",
    });
  });
});

describe("other kinds", () => {
  test("versions of a group in order, the preferred one first", () => {
    const base = tableOf("apps/v1/Deployment");
    const versions = ["v1alpha1", "v2beta1", "v1", "v10", "v2"];
    const tables = versions.map((version): KindTable => {
      const { subresources, shortNames, categories, verbs, schema } = base;
      const names = {
        kind: "Widget",
        listKind: "WidgetList",
        plural: "widgets",
        singular: "widget",
      };
      const rest = { subresources, shortNames, categories, verbs, schema, fieldSelectors: [] };
      return { group: "example.com", version, namespaced: true, log: "cluster", ...names, ...rest };
    });
    const document = new Discovery(tables).document("/apis/example.com", "*/*");
    const group = JSON.parse(document?.bytes.toString() ?? "{}");
    expect(group.versions.map(({ version }: { version: string }) => version)).toEqual([
      "v10",
      "v2",
      "v1",
      "v2beta1",
      "v1alpha1",
    ]);
    expect(group.preferredVersion.version).toBe("v10");
  });

  test("Kubernetes' order of versions", () => {
    const versions = ["foo10", "v1", "v11beta2", "v3beta1", "v12alpha1", "v2", "v10beta3", "foo1"];
    expect(versions.sort(compareVersions)).toEqual([
      "v2",
      "v1",
      "v11beta2",
      "v10beta3",
      "v3beta1",
      "v12alpha1",
      "foo1",
      "foo10",
    ]);
  });
});
