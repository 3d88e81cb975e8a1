import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, it } from "vitest";
import { parse } from "yaml";
import { describeOnMachine } from "../network/machine.ts";
import { registerBadInput } from "./bad-input.ts";
import { kubectlMinor, RunningCluster } from "./cluster.ts";
import { type Case, perform } from "./steps.ts";

const FOLDER = new URL("cases/", import.meta.url);
const CASE_MS = 120_000;

function casesOf(file: string): Case[] {
  return parse(readFileSync(new URL(file, FOLDER), "utf8")) as Case[];
}

/** Each file has a namespace of its own; `$NAMESPACE` names it. */
function registerFile(file: string, cluster: () => RunningCluster): void {
  describe(file.replace(".yaml", ""), () => {
    let environment: Record<string, string>;
    let minor: number;
    beforeAll(async () => {
      const name = `try-${file.replace(".yaml", "")}`;
      environment = { ...(await cluster().namespace(name)), NAMESPACE: name };
      minor = kubectlMinor(cluster());
    });
    it.each(casesOf(file))("$name", (one) => perform(cluster(), one, environment, minor), CASE_MS);
  });
}

describeOnMachine("kubectl and a cluster with containers", ["containerd", "runc", "nft"], () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await RunningCluster.start();
  }, CASE_MS);
  afterAll(() => cluster?.end(), CASE_MS);

  it(
    "brings up examples/web.yaml",
    async () => {
      const started = performance.now();
      await cluster.must(
        "kubectl apply -f $EXAMPLES/web.yaml && kubectl rollout status deployment/web --timeout 60s",
      );
      const seconds = (performance.now() - started) / 1000;
      console.log(
        `examples/web.yaml: 3 pods Ready ${seconds.toFixed(2)} s after \`kubectl apply\``,
      );
    },
    CASE_MS,
  );

  const files = readdirSync(FOLDER).filter((file) => !file.startsWith("simulated"));
  for (const file of files.sort()) registerFile(file, () => cluster);
});

describe("kubectl and a cluster of simulated nodes", () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated", "--nodes", "3");
  }, CASE_MS);
  afterAll(() => cluster?.end(), CASE_MS);

  registerFile("simulated.yaml", () => cluster);
  registerBadInput(() => cluster);
});
