import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { bootstrapObjects } from "../../services/apiserver/bootstrap/objects.ts";
import { startBootstrap } from "../../services/apiserver/bootstrap/start.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { keyOf } from "../../shared/api/key.ts";
import { type Cluster, newStores, startCluster } from "./cluster.ts";
import { ADMIN_TOKEN } from "./fixture.ts";
import { ask } from "./http-client.ts";
import { Kubectl } from "./kubectl.ts";

let cluster: Cluster;
let kubectl: Kubectl;
const GROUP = "rbac.authorization.k8s.io";

beforeAll(async () => {
  cluster = await startCluster();
  kubectl = new Kubectl(cluster);
});

afterAll(() => cluster.stop());

const run = (line: string, input = "") => kubectl.run(line.split(" "), input);

test("what every cluster has is there", async () => {
  const view = cluster.apiserver.projections.cluster;
  for (const { key } of bootstrapObjects()) expect(view.get(key), key).toBeDefined();
  const { stdout } = await run("get service,endpoints,endpointslices kubernetes -o yaml");
  const [service, endpoints, slice] = parse(stdout).items;
  expect(service.spec).toMatchObject({
    clusterIP: "10.96.0.1",
    ports: [{ name: "https", port: 443, targetPort: 6443 }],
  });
  expect(endpoints.subsets).toEqual([
    { addresses: [{ ip: "172.30.0.1" }], ports: [{ name: "https", port: 6443, protocol: "TCP" }] },
  ]);
  expect(slice.endpoints).toEqual([{ addresses: ["172.30.0.1"], conditions: { ready: true } }]);
});

test("anonymous users may see health and version, authenticated ones discovery", async () => {
  expect((await ask(cluster, "/readyz")).text).toBe("ok");
  expect((await ask(cluster, "/version")).json.gitVersion).toMatch(/^v1\.35\./);
  expect((await ask(cluster, "/api")).code).toBe(403);
  expect((await run("auth can-i get /openapi/v2 --as=jane")).stdout).toBe("yes\n");
});

test("kubectl creates, in whatever form it sends", async () => {
  expect(await run("create deployment web --image=web --replicas=2")).toEqual({
    code: 0,
    stdout: "deployment.apps/web created\n",
    stderr: "",
  });
  expect((await run("get deployment web")).stdout).toMatch(/^NAME +READY .*\nweb +0\/2 /);
  const manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n";
  expect((await run("apply -f -", manifest)).stdout).toBe("configmap/c created\n");
  expect((await run("apply --server-side -f -", manifest)).stdout).toContain("serverside-applied");
  expect((await run("delete configmap c")).stdout).toBe('configmap "c" deleted\n');
  expect((await run("delete deployment web")).code).toBe(0);
});

test("roles and bindings count, and cannot be used to gain more", async () => {
  expect((await run("create role reader --verb=get,list --resource=pods")).code).toBe(0);
  expect((await run("create rolebinding reader --role=reader --user=jane")).code).toBe(0);
  expect((await run("auth can-i list pods --as=jane")).stdout).toBe("yes\n");
  expect((await run("auth can-i list pods -n kube-system --as=jane")).stdout).toBe("no\n");
  expect((await run("create rolebinding admin --clusterrole=admin --user=amy")).code).toBe(0);
  expect((await run("create role own --verb=get --resource=secrets --as=amy")).code).toBe(0);
  const beyond = await run("create role more --verb=get --resource=endpointslices/x --as=amy");
  expect(beyond.stderr).toContain("is attempting to grant RBAC permissions not currently held");
  const bound = await run("create rolebinding up --clusterrole=cluster-admin --user=amy --as=amy");
  expect(bound.stderr).toContain('{APIGroups:["*"], Resources:["*"], Verbs:["*"]}');
  expect((await run("auth can-i --list --as=jane")).stdout).toMatch(
    /pods +\[\] +\[\] +\[get list\]/,
  );
});

test("a token of a service account is a user, until the account is gone", async () => {
  expect((await run("create serviceaccount robot")).code).toBe(0);
  const token = (await run("create token robot")).stdout.trim();
  const whoami = { kind: "SelfSubjectReview", apiVersion: "authentication.k8s.io/v1" };
  const asRobot = () =>
    ask(cluster, "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      method: "POST",
      token,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(whoami),
    });
  expect((await asRobot()).json.status.userInfo).toMatchObject({
    username: "system:serviceaccount:default:robot",
    groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
  });
  await run("delete serviceaccount robot");
  expect((await asRobot()).code).toBe(401);
});

test("a watch delivers what kubectl does", async () => {
  const watching = kubectl.start(["get", "configmaps", "-w", "-o", "name"]);
  await run("create configmap seen");
  await expect.poll(watching.stdout).toContain("configmap/seen\n");
  watching.child.kill();
  await watching.done;
});

test("several replicas may start at once, and again", async () => {
  const stores = newStores();
  const replicas = await Promise.all([1, 2, 3].map(() => startCluster(stores)));
  const [first] = replicas;
  const head = await stores.cluster.head();
  const again = await startCluster(stores);
  expect(await stores.cluster.head()).toBe(head);
  const reply = await ask(again, "/api/v1/namespaces", { token: ADMIN_TOKEN });
  expect(reply.json.items.length).toBe(4);
  expect(first?.apiserver.projections.cluster.list(`clusterroles.${GROUP}`).length).toBeGreaterThan(
    30,
  );
  for (const replica of [again, ...replicas]) await replica.stop();
});

test("standing objects are completed, and left alone where that was asked for", async () => {
  const { apiserver, runtime } = cluster;
  const { engine, projections } = apiserver;
  const view = projections.cluster;
  const plan = async (name: string, patch: Record<string, unknown>) => {
    const result = await engine.plan({
      user: { username: "admin", groups: ["system:masters"] },
      actor: "test",
      replica: "test",
      trace: runtime.ids.ulid(),
      cause: 0,
      actions: [{ op: "patch", key: keyOf(`clusterroles.${GROUP}`, "", name), patch }],
    });
    if (result.outcome !== "committed") throw new Error(result.status.message);
    await view.waitFor(result.revision, 1000);
  };
  const mine = { apiGroups: ["mine"], resources: ["things"], verbs: ["get"] };
  await plan("system:basic-user", { rules: [mine] });
  const off = { annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } };
  await plan("system:monitoring", { rules: [], metadata: off });
  const standing = await startBootstrap({
    engine,
    projections,
    runtime,
    logger: silentLogger,
    replica: "apiserver-2",
    serving: { address: "172.30.0.2", port: 7443 },
    serviceAddress: "10.96.0.1",
  });
  await standing.announce();
  const rulesOf = (name: string) =>
    view.get(keyOf(`clusterroles.${GROUP}`, "", name))?.object["rules"];
  expect(rulesOf("system:basic-user")).toHaveLength(3);
  expect(rulesOf("system:basic-user")).toContainEqual(mine);
  expect(rulesOf("system:monitoring")).toEqual([]);
  const slices = () =>
    view
      .list("endpointslices.discovery.k8s.io", "default")
      .map(({ object }) => [object["ports"][0].port, object["endpoints"][0].addresses]);
  expect(slices()).toEqual([
    [6443, ["172.30.0.1"]],
    [7443, ["172.30.0.2"]],
  ]);
  await standing.stop();
  expect(slices()).toEqual([[6443, ["172.30.0.1"]]]);
});
