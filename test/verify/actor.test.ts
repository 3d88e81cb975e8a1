import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../nats/connect.ts";
import { openStore } from "../../nats/store.ts";
import { pathsOf, readSettings } from "../../services/cli/cluster.ts";
import { serverOf } from "../../services/cli/process/bus.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { RunningCluster } from "../kubectl/cluster.ts";

const TEST_MS = 120_000;
const WAIT = { timeout: 30_000, interval: 200 };
const BROKEN = "bound-once";
const POD = `
apiVersion: v1
kind: Pod
metadata: { name: web }
spec: { containers: [{ name: web, image: "demo:1" }] }
`;

let cluster: RunningCluster;
beforeAll(async () => {
  cluster = await RunningCluster.start("--verify", "--runtime", "simulated", "--nodes", "2");
  await cluster.must(`kubectl apply -f - <<'END'${POD}END`);
  await cluster.must("kubectl wait --for=condition=Ready pod/web");
}, TEST_MS);
afterAll(() => cluster?.end(), TEST_MS);

/** What no apiserver does: writes into the log itself that the pod is on another node. */
async function moveThePod(): Promise<void> {
  const paths = pathsOf(cluster.data);
  const settings = readSettings(paths);
  if (settings === undefined) throw new Error("there is no cluster");
  const { passwords } = JSON.parse(readFileSync(paths.credentials, "utf8")) as {
    passwords: Record<string, string>;
  };
  const login = { user: "apiserver", password: passwords["apiserver"] ?? "" };
  const connection = await connect({ name: "test", ...login, ...serverOf(settings) });
  const options = { name: "cluster", durability: settings.durability } as const;
  const store = await openStore(connection, liveRuntime(), options);
  const key = "pods/default/web";
  const pod = JSON.parse(String((await store.get(key))?.value)) as KubernetesObject;
  pod["spec"].nodeName = pod["spec"].nodeName === "node-0" ? "node-1" : "node-0";
  const headers = { actor: "scheduler", replica: "planted", trace: "planted", cause: 0 };
  await store.commit([{ key, value: encodeObject(pod) }], headers);
  await store.close();
  await connection.close();
}

const metric = async () => {
  const lines = (await cluster.must("kubectl get --raw /metrics")).split("\n");
  const own = lines.find((line) => /_violations_total\{.*kind="bound-once"/.test(line));
  return own === undefined ? undefined : Number(own.split(" ").at(-1));
};

it(
  "tells what is broken by an Event, a line of its log and a metric; and after kill -9 again",
  async () => {
    await expect.poll(metric, WAIT).toBe(0);
    await moveThePod();
    await expect.poll(metric, WAIT).toBe(1);
    const events = () => cluster.must("kubectl get events --field-selector reason=InvariantBroken");
    await expect.poll(events, WAIT).toContain("pod/web");
    expect(await events()).toContain(`${BROKEN}: `);
    const log = readFileSync(join(cluster.data, "log", "verify.log"), "utf8");
    expect(log).toContain("an invariant is broken");
    process.kill(cluster.pidOf("verify"), "SIGKILL");
    // It counts from its start, and looks at the present only.
    await expect.poll(metric, WAIT).toBe(0);
    await moveThePod();
    await expect.poll(metric, WAIT).toBe(1);
  },
  TEST_MS,
);

it(
  "runs when it is asked for",
  async () => {
    const shown = async () => (await cluster.cox("actors")).stdout.match(/^verify/gm)?.length ?? 0;
    expect(await shown()).toBe(1);
    expect((await cluster.cox("scale", "verify=0")).code).toBe(0);
    expect(await shown()).toBe(0);
    expect((await cluster.cox("scale", "verify=2")).code).toBe(0);
    expect(await shown()).toBe(2);
    const without = await cluster.cox("scale", "scheduler=0");
    expect([without.code, without.stderr]).toEqual([
      1,
      expect.stringContaining("a cluster is nothing without scheduler"),
    ]);
  },
  TEST_MS,
);
