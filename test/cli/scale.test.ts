import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pathsOf, readSettings } from "../../services/cli/cluster.ts";
import type { ActorRow } from "../../services/cli/scale/rows.ts";
import { RunningCluster } from "../kubectl/cluster.ts";

const TEST_MS = 180_000;
const PODS = 6;
const ROUNDS = 8;
/** Drawn once: a failure can be repeated. */
const COUNTS = [3, 1, 2, 2, 1, 2, 3, 1];
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: ${PODS}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: registry.local/coxswain/web:1.0 }] }
`;

describe("cox scale", () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated", "--nodes", "3");
    await cluster.must(`kubectl apply -f - <<'END'${DEPLOYMENT}END`);
    await cluster.must("kubectl rollout status deployment/web --timeout 60s");
  }, TEST_MS);
  afterAll(() => cluster?.end(), TEST_MS);

  async function scale(...words: string[]): Promise<void> {
    const { code, stderr } = await cluster.cox("scale", ...words);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  }

  async function actors(): Promise<readonly ActorRow[]> {
    const { stdout, stderr } = await cluster.cox("actors", "-o", "json");
    expect(stderr).toBe("");
    return JSON.parse(stdout) as ActorRow[];
  }

  async function processesOf(name: string): Promise<string[]> {
    return (await actors()).filter(({ actor }) => actor === name).map(({ process }) => process);
  }

  it(
    "changes replicas, also of single actors in a process, and keeps them for the next start",
    async () => {
      await scale("scheduler=3", "deployment=2", "apiserver=2");
      expect(await processesOf("scheduler")).toEqual(["control", "control-2", "control-3"]);
      expect(await processesOf("deployment")).toEqual(["control", "control-2"]);
      expect(await processesOf("apiserver")).toEqual(["apiserver", "apiserver-2"]);
      const before = await actors();
      await scale("scheduler=1", "deployment=1", "replicaset=2");
      const after = await actors();
      expect(await processesOf("scheduler")).toEqual(["control"]);
      expect(await processesOf("replicaset")).toEqual(["control", "control-2"]);
      const pidOf = (rows: readonly ActorRow[]) =>
        rows.find(({ process }) => process === "control-2")?.pid;
      expect(pidOf(after)).toBe(pidOf(before));
      expect(readSettings(pathsOf(cluster.data))?.replicas).toEqual({
        apiserver: 2,
        scheduler: 1,
        deployment: 1,
        replicaset: 2,
      });
    },
    TEST_MS,
  );

  it(
    "refuses actors that do not exist",
    async () => {
      const { code, stderr } = await cluster.cox("scale", "dentist=2");
      expect([code, stderr]).toEqual([1, expect.stringContaining("no actor is called dentist")]);
    },
    TEST_MS,
  );

  it("profiles a process while it runs", async () => {
    const file = join(cluster.data, "scheduler.svg");
    const { code, stdout } = await cluster.cox(
      "profile",
      "scheduler",
      "--for",
      "300ms",
      "-o",
      file,
    );
    expect(stdout).toMatch(/^control, busy \d+ % of 300\s?ms\n +\d+\.\d % {2}/);
    expect(code).toBe(0);
    expect(readFileSync(file, "utf8")).toMatch(/^<svg .*<title>\(all\): 100.0 %/s);
  });

  it(
    "regroups and rescales under rollouts without a pod too many, a restart or a refused request",
    async () => {
      let scaled = false;
      const rolling = roll(() => scaled);
      for (let round = 0; round < ROUNDS; round++) {
        const count = COUNTS[round] as number;
        const grouping = round % 4 === 3 ? ["--grouping", round === 3 ? "split" : "packed"] : [];
        await scale(`control=${count}`, `apiserver=${1 + (count % 2)}`, ...grouping);
      }
      scaled = true;
      const rollouts = await rolling;
      expect(rollouts).toBeGreaterThan(0);
      const created = await createdPods();
      // Each rollout replaces every pod once, and the first one begins with none.
      expect(created).toBe(PODS * (rollouts + 1));
      expect((await actors()).every(({ restarts = 0 }) => restarts === 0)).toBe(true);
      expect(readFileSync(join(cluster.data, "log", "supervisor.log"), "utf8")).not.toContain(
        " ended (",
      );
    },
    TEST_MS,
  );

  /** One rollout after the other until it is over; resolves with how many there were. */
  async function roll(over: () => boolean): Promise<number> {
    let rollouts = 0;
    while (!over()) {
      const value = `ROUND=${rollouts}`;
      await cluster.must(`kubectl set env deployment/web ${value}`);
      await cluster.must("kubectl rollout status deployment/web --timeout 60s");
      rollouts++;
    }
    return rollouts;
  }

  /** Pods that were ever created. */
  async function createdPods(): Promise<number> {
    const { stdout } = await cluster.cox("log", "1..HEAD", "-k", "pods/default/", "-o", "json");
    const names = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { key: string }).key);
    return new Set(names).size;
  }
});
