import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../../services/cli/api.ts";
import { RunningCluster } from "../kubectl/cluster.ts";

const TEST_MS = 120_000;
const REPLICAS = ["apiserver", "apiserver-2"];

describe("replicas of the apiserver", () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated", "--replicas", "apiserver=2");
    await until(() => REPLICAS.every((name) => starts(cluster, name) === 1));
  }, TEST_MS);
  afterAll(() => cluster?.end(), TEST_MS);

  it.each(REPLICAS)(
    "share one port: when %s is killed, every new connection is answered by the other",
    async (name) => {
      const before = starts(cluster, name);
      process.kill(cluster.pidOf(name), "SIGKILL");
      for (let turn = 0; turn < 20; turn++) {
        expect(await get(cluster.data, cluster.port, "/readyz")).toMatchObject({ code: 200 });
      }
      await until(() => starts(cluster, name) === before + 1);
    },
    TEST_MS,
  );

  it(
    "are started again on the port, where connections wait meanwhile",
    async () => {
      for (const name of REPLICAS) process.kill(cluster.pidOf(name), "SIGKILL");
      let answer: { readonly code: number } | undefined;
      while (answer === undefined) {
        answer = await get(cluster.data, cluster.port, "/readyz").catch((error: Error) => {
          // On a slow machine; a connection that broke was with one of the killed.
          expect(error.message).toMatch(/no answer within|ECONNRESET|socket hang up/);
          return undefined;
        });
      }
      expect(answer.code).toBe(200);
    },
    TEST_MS,
  );
});

/** How often a process of the cluster has come to serve. */
function starts(cluster: RunningCluster, name: string): number {
  const log = readFileSync(join(cluster.data, "log", `${name}.log`), "utf8");
  return log.split('"msg":"started"').length - 1;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
