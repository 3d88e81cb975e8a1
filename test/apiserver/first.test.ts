import { expect, test } from "vitest";
import { settled, startCluster, startWatch } from "./harness.ts";

test("a pod's life", async () => {
  const cluster = await startCluster();
  const { call } = cluster;
  const watch = await startWatch(cluster, { resource: "pods", namespace: "default" });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "web-", labels: { app: "web" } },
    spec: { containers: [{ name: "web", image: "web" }] },
  };
  const created = await call({ verb: "create", resource: "pods", namespace: "default", body: pod });
  console.log(JSON.stringify(created, null, 1));
  const name = created.body.metadata.name;
  const got = await call({ verb: "get", resource: "pods", namespace: "default", name });
  expect(got.body).toEqual(created.body);
  const list = await call({
    verb: "list",
    resource: "pods",
    namespace: "default",
    query: { labelSelector: "app=web" },
  });
  expect(list.body.items).toHaveLength(1);
  const table = await call({
    verb: "list",
    resource: "pods",
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
  });
  console.log(JSON.stringify(table.body.rows));
  const upd = await call({
    verb: "update",
    resource: "pods",
    namespace: "default",
    name,
    body: { ...got.body, metadata: { ...got.body.metadata, labels: { app: "x" } } },
  });
  expect(upd.code).toBe(200);
  const stale = await call({
    verb: "update",
    resource: "pods",
    namespace: "default",
    name,
    body: got.body,
  });
  expect(stale.body.reason).toBe("Conflict");
  const del = await call({ verb: "delete", resource: "pods", namespace: "default", name });
  console.log(del.code, del.body.kind);
  const plan = await settled(
    cluster.runtime,
    cluster.engine.plan({
      user: { username: "system:controller:x", groups: [] },
      actor: "x",
      replica: "x-1",
      trace: "T1",
      cause: 0,
      actions: [
        {
          op: "create",
          key: "configmaps/default/a",
          object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "a" },
            data: { a: "1" },
          },
        },
        { op: "patch", key: "configmaps/default/a", patch: { data: { b: "2" } } },
        {
          op: "create",
          key: "configmaps/nowhere/a",
          object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
        },
      ],
    }),
  );
  console.log(JSON.stringify(plan));
  const svc = await call({
    verb: "create",
    resource: "services",
    namespace: "default",
    body: {
      metadata: { name: "web" },
      spec: { type: "NodePort", selector: { a: "b" }, ports: [{ port: 80 }] },
    },
  });
  console.log(JSON.stringify(svc.body));
  console.log(watch.events.map((e) => [e.type, e.object.metadata.resourceVersion]));
});
