import { afterAll, beforeAll, expect, it } from "vitest";
import { RunningCluster } from "../kubectl/cluster.ts";
import { describeOnMachine } from "../network/machine.ts";
import { Api, type Observed, pause } from "./api.ts";
import { Figures } from "./figures.ts";
import { Rollouts, Writers } from "./load.ts";

const ROUNDS = Number(process.env["CHAOS_ROUNDS"] ?? 3);
const TEST_MS = 600_000;
const RESUME_MS = 30_000;
/** Between a recovery and the next kill. */
const PAUSE_MS = 700;
const IMAGE = "registry.local/coxswain/web:1.0";
const VICTIMS = ["nats-server", "apiserver", "control", "node-node-1", "containerd-node-1"];

const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const PODS = "/api/v1/namespaces/default/pods";

function deployment(name: string, replicas: number): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: podSpec() },
    },
  };
}

/** The controller has seen it. */
function observed({ status }: Observed): boolean {
  return (status?.observedGeneration ?? 0) > 0;
}

function podSpec(): object {
  const container = {
    name: "web",
    image: IMAGE,
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
  };
  return { terminationGracePeriodSeconds: 1, containers: [container] };
}

describeOnMachine(
  "processes killed while a Deployment rolls",
  ["containerd", "runc", "nft"],
  () => {
    let cluster: RunningCluster;
    let api: Api;
    const figures = new Figures();
    let serial = 0;

    beforeAll(async () => {
      cluster = await RunningCluster.start();
      api = new Api(cluster);
      for (const name of ["steady", "rolling"]) {
        await api.insist("POST", DEPLOYMENTS, deployment(name, 2));
      }
      await cluster.must("kubectl rollout status deployment/steady --timeout 60s");
      await cluster.must("kubectl rollout status deployment/rolling --timeout 60s");
    }, TEST_MS);
    afterAll(() => cluster?.end(), TEST_MS);

    /** Containers of the Deployment that nobody touches, with their restarts. */
    function steady(): Promise<string> {
      return cluster.must(
        `kubectl get pods -l app=steady -o jsonpath='{range .items[*]}{.metadata.uid} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{"\\n"}{end}'`,
      );
    }

    /** Kills, and measures when each kind of work goes on. */
    async function kill(victim: string, writers: Writers): Promise<void> {
      const name = `probe-${++serial}`;
      const pid = cluster.pidOf(victim);
      process.kill(pid, "SIGKILL");
      const since = performance.now();
      const took = () => performance.now() - since;
      const written = writers.resumed(since, RESUME_MS);
      const reconciled = api
        .insist("POST", DEPLOYMENTS, deployment(name, 0))
        .then(() => api.until(`${DEPLOYMENTS}/${name}`, observed))
        .then(took);
      const pod = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name },
        spec: podSpec(),
      };
      const started = api
        .insist("POST", PODS, pod)
        .then(() => api.until(`${PODS}/${name}`, (it) => it.status?.startTime !== undefined))
        .then(took);
      figures.add(victim, "write", await written);
      figures.add(victim, "reconcile", await reconciled);
      figures.add(victim, "pod taken", await started);
      await api.insist("DELETE", `${PODS}/${name}`);
      await api.insist("DELETE", `${DEPLOYMENTS}/${name}`);
    }

    it(
      "loses nothing, completes every rollout, restarts no container",
      async () => {
        const before = await steady();
        const writers = new Writers(api, 4);
        const rollouts = new Rollouts(cluster, "rolling");
        try {
          for (let round = 0; round < ROUNDS; round++) {
            for (const victim of VICTIMS) {
              await pause(PAUSE_MS);
              await kill(victim, writers);
            }
          }
        } finally {
          await rollouts.stop();
          await writers.stop();
          const done = `${rollouts.completed} rollouts, ${writers.acknowledged.length} writes`;
          console.log(`${figures.text()}\n${done}`);
        }
        expect(await writers.lost()).toEqual([]);
        expect(rollouts.completed).toBeGreaterThan(0);
        expect(await steady()).toBe(before);
      },
      TEST_MS,
    );

    it(
      "goes on when the supervisor was killed and another takes over",
      async () => {
        const before = await steady();
        process.kill(cluster.pidOf("supervisor"), "SIGKILL");
        await cluster.must("kubectl rollout restart deployment/rolling");
        await cluster.must("kubectl rollout status deployment/rolling --timeout 60s");
        await cluster.up();
        await cluster.must("kubectl rollout restart deployment/rolling");
        await cluster.must("kubectl rollout status deployment/rolling --timeout 60s");
        expect(await steady()).toBe(before);
        expect((await cluster.cox("status")).code).toBe(0);
      },
      TEST_MS,
    );
  },
);
