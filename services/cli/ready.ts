/** Waiting until a cluster that was started can be used, and the reason when it cannot. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { get, nodesReady } from "./api.ts";
import type { ClusterSettings, Paths } from "./cluster.ts";
import type { Failing } from "./supervisor.ts";

const START_MS_MAX = 60_000;
const NODE_MS_MAX = 120_000;
const POLL_MS = 25;
const LOG_LINES = 5;
const ERROR_LEVEL = 50;

export interface Wait {
  readonly settings: ClusterSettings;
  readonly paths: Paths;
  /** A process that ends again and again. */
  failing(): Failing | undefined;
}

/** @throws Error with the reason when the apiserver does not become ready. */
export async function untilReady(wait: Wait): Promise<void> {
  const { settings, paths } = wait;
  let last = "";
  const deadline = Date.now() + START_MS_MAX;
  while (Date.now() < deadline) {
    try {
      const { code, body } = await get(paths.data, settings.apiPort, "/readyz?verbose");
      if (code === 200) return;
      last = body;
    } catch (error) {
      last = (error as Error).message;
    }
    refuseFailing(wait);
    await pause(POLL_MS);
  }
  const hint = logHint(paths, "apiserver");
  throw new Error(`The apiserver was not ready after ${START_MS_MAX / 1000} s: ${last}\n${hint}`);
}

/** @throws Error with the reason when a node does not become Ready. */
export async function untilNodesReady(wait: Wait): Promise<void> {
  const { settings, paths } = wait;
  let missing = "";
  const deadline = Date.now() + NODE_MS_MAX;
  while (Date.now() < deadline) {
    const ready = await nodesReady(paths.data, settings.apiPort);
    const late = settings.nodes.filter(({ name }) => ready?.get(name) !== true);
    if (ready !== undefined && late.length === 0) return;
    missing = late.map(({ name }) => name).join(", ");
    refuseFailing(wait);
    await pause(POLL_MS);
  }
  const log = settings.runtime === "simulated" ? "nodes" : `node-${missing.split(",")[0]}`;
  throw new Error(`Not Ready after ${NODE_MS_MAX / 1000} s: ${missing}\n${logHint(paths, log)}`);
}

function refuseFailing({ paths, failing }: Wait): void {
  const found = failing();
  if (found === undefined) return;
  const { name, ends, how } = found;
  throw new Error(`${name} ended ${ends} times (${how}).\n${logHint(paths, name)}`);
}

/** The last error in a process's log, else the log's end. */
export function logHint(paths: Paths, name: string): string {
  const file = join(paths.logs, `${name}.log`);
  const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  const error = lines.map(errorIn).findLast((text) => text !== undefined);
  if (error !== undefined) return `${error}\nMore in ${file}`;
  return `The end of ${file}:\n${lines.slice(-LOG_LINES).join("\n")}`;
}

/** What a line of a log says that tells of an error. */
function errorIn(line: string): string | undefined {
  try {
    const { level, msg, err } = JSON.parse(line) as LogLine;
    if (level < ERROR_LEVEL) return undefined;
    return err === undefined ? msg : `${msg}: ${err.message}`;
  } catch {
    return undefined;
  }
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly message: string };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
