/** Throughput against the replicas of an actor. */

import { configMap } from "../load/bodies.ts";
import type { Cluster } from "./cluster.ts";
import {
  type Context,
  type Curve,
  clientOf,
  makeNamespace,
  measured,
  onCluster,
  total,
} from "./measure.ts";
import { podsToReady } from "./pods.ts";

const COUNTS = [1, 2, 4];
const QUICK = [1, 2];
const NODES = 100;
const PODS = 1_000;
const PODS_QUICK = 200;
const EACH_MS = 4_000;
const EACH_QUICK_MS = 1_000;
const NAMESPACE = `curve-replicas-${process.pid}`;
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;

export const replicas: Curve = {
  name: "replicas",
  title: `Replicas of the apiserver, or of the scheduler and the controllers; ${NODES} nodes`,
  x: { label: "replicas" },
  anywhere: false,
  panels: [
    { key: "rate", title: "Requests, 32 at a time", y: { label: "requests/s" } },
    { key: "cpu", title: "CPU of all processes for one request", y: { label: "µs" } },
    { key: "pods", title: `${PODS} pods created one by one`, y: { label: "pods/s" } },
    { key: "pod", title: "CPU of all processes for a pod until Ready", y: { label: "µs" } },
  ],
  measure: async (context) => {
    for (const count of context.quick ? QUICK : COUNTS) {
      if (context.late()) break;
      const servers = { nodes: 1, replicas: { apiserver: count } };
      const actors = { nodes: NODES, replicas: { scheduler: count, controllers: count } };
      let figures = {};
      await onCluster(context, servers, async (cluster) => {
        figures = await requests(context, cluster);
      });
      await onCluster(context, actors, async (cluster) => {
        const burst = await podsToReady(cluster, context.quick ? PODS_QUICK : PODS);
        const { boundPerSecond, readyPerSecond, cpu } = burst;
        figures = {
          ...figures,
          "pods: bound": boundPerSecond,
          "pods: Ready": readyPerSecond,
          "pod: scheduler and controllers replicated": total(cpu),
        };
      });
      context.point(count, figures);
    }
  },
};

/** The replicas share a port: who gets a connection is up to the system. */
async function requests(context: Context, cluster: Cluster): Promise<Record<string, number>> {
  const client = clientOf(cluster);
  await makeNamespace(client, NAMESPACE);
  const limits = {
    count: Number.POSITIVE_INFINITY,
    mostMs: context.quick ? EACH_QUICK_MS : EACH_MS,
  };
  const created = await measured(cluster, limits, (index) =>
    client.ok("POST", PATH, configMap(`c-${index}`, {})),
  );
  const got = await measured(cluster, limits, (index) =>
    client.ok("GET", `${PATH}/c-${(index * 7_919) % created.done}`),
  );
  client.close();
  return {
    "rate: create": created.perSecond,
    "rate: get": got.perSecond,
    "cpu: create": total(created.cpu),
    "cpu: get": total(got.cpu),
  };
}
