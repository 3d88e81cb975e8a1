/**
 * What a cluster on this machine is: its settings, and where everything lies in its data folder.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const RUNTIMES = ["cri", "process", "simulated"] as const;

/**
 * How actors share processes: few processes, of which number n runs the actors that want at least n
 * replicas, or one process for each replica of each actor.
 */
export const GROUPINGS = ["packed", "split"] as const;

export const boundsSchema = z
  .strictObject({ min: z.number().int().min(1), max: z.number().int().max(99) })
  .refine(({ min, max }) => min <= max, "the lower bound is above the upper one");

const settingsSchema = z.strictObject({
  /** Version of this file's shape. */
  format: z.literal(1),
  name: z.string(),
  apiPort: z.number().int(),
  natsPort: z.number().int(),
  /** A NATS server that is not ours, by URL (user and password in it); absent: our own. */
  natsUrl: z.string().optional(),
  /** By which clients reach the apiservers, beside this machine's. */
  addresses: z.array(z.string()).optional(),
  durability: z.enum(["strict", "relaxed"]),
  runtime: z.enum(RUNTIMES),
  /** Which of the machine's network slots the cluster holds. */
  slot: z.number().int(),
  nodes: z.array(z.strictObject({ name: z.string(), index: z.number().int() })),
  /** Replicas by actor or group of actors (layout.ts). Default 1. */
  replicas: z.record(z.string(), z.number().int().min(0)),
  /** Bounds within which the replicas follow the load, by actor. */
  autoscale: z.record(z.string(), boundsSchema).default({}),
  grouping: z.enum(GROUPINGS).default("packed"),
});

/** The settings that a cluster was last started with; `cluster.json`. */
export type ClusterSettings = z.infer<typeof settingsSchema>;
export type NodeRuntime = (typeof RUNTIMES)[number];
export type Grouping = (typeof GROUPINGS)[number];
export type Bounds = z.infer<typeof boundsSchema>;

/** Paths in a data folder. */
export interface Paths {
  readonly data: string;
  readonly settings: string;
  readonly kubeconfig: string;
  readonly nats: string;
  readonly natsConfiguration: string;
  readonly credentials: string;
  readonly logs: string;
  readonly run: string;
  readonly token: string;
}

export function pathsOf(data: string): Paths {
  return {
    data,
    settings: join(data, "cluster.json"),
    kubeconfig: join(data, "kubeconfig"),
    nats: join(data, "nats"),
    natsConfiguration: join(data, "nats", "nats.conf"),
    credentials: join(data, "nats", "credentials.json"),
    logs: join(data, "log"),
    run: join(data, "run"),
    token: join(data, "pki", "tokens.csv"),
  };
}

/** Creates the folders of a cluster. */
export function createFolders(paths: Paths): void {
  mkdirSync(paths.data, { recursive: true, mode: 0o700 });
  for (const folder of [paths.nats, paths.logs, paths.run]) mkdirSync(folder, { recursive: true });
}

/**
 * The cluster's settings; undefined when there is no cluster in the folder.
 * @throws Error that names the file and the field when it cannot be read.
 */
export function readSettings(paths: Paths): ClusterSettings | undefined {
  if (!existsSync(paths.settings)) return undefined;
  const result = settingsSchema.safeParse(JSON.parse(readFileSync(paths.settings, "utf8")));
  if (result.success) return result.data;
  throw new Error(`${paths.settings} is not readable:\n${z.prettifyError(result.error)}`);
}

export function writeSettings(paths: Paths, settings: ClusterSettings): void {
  writeWhole(paths.settings, `${JSON.stringify(settings, null, 2)}\n`);
}

/** Writes a file whole or not at all, for its owner alone. */
export function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Simulated nodes are counted from 0, as the process that plays them does. */
export function nodeName(runtime: NodeRuntime, index: number): string {
  return `node-${runtime === "simulated" ? index : index + 1}`;
}
