import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { duration, range } from "../../shared/faults/duration.ts";
import { FaultFileError } from "../../shared/faults/language.ts";

/** What the cluster does during a chaos run. */
const schema = z.strictObject({
  /** Is created, and deleted in the end. */
  namespace: z.string().min(1).default("chaos"),
  deployments: z.number().int().min(0).max(1_000).default(10),
  /** Of each Deployment. */
  replicas: z.number().int().min(1).max(1_000).default(3),
  /** A Deployment that does not roll is rolled, so often. */
  rollouts: z.strictObject({ every: range }).prefault({ every: "1s" }),
  /** Each Deployment has a Service. */
  services: z.boolean().default(false),
  /** A namespace is created, so often, and the one before deleted. */
  namespaces: z.strictObject({ every: range }).optional(),
  /** Writers whose acknowledged writes are looked for in the end. */
  writers: z.number().int().min(0).max(16).default(2),
  /** One actor is given another number of replicas, so often; by name: the least and the most. */
  scaleActors: z
    .strictObject({
      every: range,
      actors: z.record(z.string(), z.tuple([z.number().int().min(1), z.number().int().max(9)])),
    })
    .optional(),
  /** How long everything may take to come right when the faults have ended. */
  settleWithin: duration.default(60_000),
});

export type Workload = z.infer<typeof schema>;

/** A cluster that is left to its own work; only writes are checked. */
export const NO_WORKLOAD: Workload = schema.parse({ deployments: 0 });

/** @throws FaultFileError that names the file and the field */
export function loadWorkload(path: string): Workload {
  const result = schema.safeParse(parse(readFileSync(path, "utf8")) ?? {});
  if (result.success) return result.data;
  throw new FaultFileError(`${path}: ${z.prettifyError(result.error)}`);
}

export function namespaceOf(name: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

/** What sends requests to the pods of the Deployment of the same name. */
export function serviceOf(name: string): object {
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

/** A Deployment whose pods need next to nothing. */
export function deploymentOf({ namespace, replicas }: Workload, name: string): object {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "app", image: "registry.local/coxswain/web:1.0" }],
        },
      },
    },
  };
}
