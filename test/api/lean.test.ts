import { expect, it } from "vitest";
import { encodeObject } from "../../shared/api/encode.ts";
import { withoutManagedFields } from "../../shared/api/lean.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

const MANAGED = [
  {
    manager: "kube]ctl",
    operation: "Update" as const,
    apiVersion: "v1",
    fieldsType: "FieldsV1" as const,
    fieldsV1: { "f:data": { 'k:{"name":"a\\"}]"}': {}, "v:[": {} } },
  },
];

function lean(object: KubernetesObject): unknown {
  return JSON.parse(withoutManagedFields(encodeObject(object)).toString());
}

function configMap(metadata: object, rest: object = {}): KubernetesObject {
  return { kind: "ConfigMap", apiVersion: "v1", metadata, ...rest } as KubernetesObject;
}

it("managedFields go, wherever they stand in the metadata", () => {
  const [before, after] = [{ name: "a", labels: { x: '"{[' } }, { generation: 2 }];
  const managed = { managedFields: MANAGED };
  for (const [first, last] of [
    [before, after],
    [before, {}],
    [{}, after],
    [{}, {}],
  ]) {
    const object = configMap({ ...first, ...managed, ...last }, { data: { y: "}]" } });
    expect(lean(object)).toEqual(configMap({ ...first, ...last }, { data: { y: "}]" } }));
  }
});

it("what is only called so stays", () => {
  const template = { metadata: { managedFields: MANAGED } };
  const said = { note: '"managedFields":[]' };
  for (const object of [
    configMap({ name: "a", annotations: said }),
    configMap({ name: "a" }, { data: said, spec: { template, managedFields: [1] } }),
    configMap({ name: "a", deeper: { managedFields: MANAGED } }),
  ]) {
    expect(lean(object)).toEqual(object);
  }
});
