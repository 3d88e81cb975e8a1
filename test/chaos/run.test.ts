import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenCluster, withOperator } from "../../services/cli/chaos/open.ts";
import { programFile } from "../../services/cli/folders.ts";
import { RunningCluster } from "../kubectl/cluster.ts";
import { pause } from "./api.ts";

const TEST_MS = 120_000;
const WITHIN_MS = 15_000;

describe("cox chaos run", () => {
  let cluster: RunningCluster;

  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated", "--nodes", "2");
  }, TEST_MS);
  afterAll(() => cluster?.end(), TEST_MS);

  async function until(wanted: (open: OpenCluster) => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WITHIN_MS;
    await withOperator(cluster.data, async (open) => {
      while (!(await wanted(open))) {
        if (performance.now() > deadline) throw new Error("it did not become as wanted");
        await pause(100);
      }
    });
  }

  const suffering = async ({ operator }: OpenCluster): Promise<string[]> =>
    (await operator.states()).flatMap(({ faults }) => faults);

  it(
    "leaves no fault behind when it is killed",
    async () => {
      const file = join(cluster.data, "faults.yaml");
      writeFileSync(
        file,
        "lag: { actor: control, ms: 100 }\npause: { actor: nodes, every: 1s, for: 1m }\n",
      );
      const words = ["chaos", "run", file, "--data", cluster.data];
      const runner = spawn(process.execPath, [programFile("cox.js"), ...words]);
      const paused = async ({ operator }: OpenCluster): Promise<boolean> =>
        (await operator.targets()).some((target) => target.paused);
      await until(async (open) => (await suffering(open)).length > 0 && (await paused(open)));
      runner.kill("SIGKILL");
      await until(async (open) => (await suffering(open)).length === 0 && !(await paused(open)));
    },
    TEST_MS,
  );

  it(
    "kills, and finds that nothing was lost",
    async () => {
      const file = join(cluster.data, "kills.yaml");
      const workload = join(cluster.data, "workload.yaml");
      const report = join(cluster.data, "report.html");
      writeFileSync(file, "kill: { actor: control, every: 1s }\n");
      writeFileSync(workload, "deployments: 2\nreplicas: 2\n");
      const flags = ["--workload", workload, "--duration", "5s", "--report", report];
      const words = ["chaos", "run", file, "--data", cluster.data, ...flags];
      const runner = spawn(process.execPath, [programFile("cox.js"), ...words]);
      let output = "";
      runner.stdout.on("data", (chunk: Buffer) => {
        output += chunk;
      });
      const code = await new Promise((resolve) => runner.once("exit", resolve));
      expect(output).toContain("Nothing was lost");
      expect(code).toBe(0);
    },
    TEST_MS,
  );
});
