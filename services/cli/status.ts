/** `cox status`: what runs in a data folder and whether it is well. */
import { join } from "node:path";
import { get, nodesReady } from "./api.ts";
import { type ClusterSettings, type Paths, pathsOf, readSettings } from "./cluster.ts";
import { layoutOf } from "./layout.ts";
import { isAlive, readPid, supervisorOf } from "./pids.ts";

interface Status {
  readonly data: string;
  readonly server: string;
  readonly ready: boolean;
  readonly runtime: string;
  readonly durability: string;
  readonly supervisor: number | null;
  readonly processes: readonly { name: string; pid: number | null }[];
  readonly nodes: readonly { name: string; ready: boolean }[];
}

/** The text to print, and whether everything is well. */
export async function statusText(
  data: string,
  output: "text" | "json",
): Promise<{ text: string; healthy: boolean }> {
  const paths = pathsOf(data);
  const settings = readSettings(paths);
  if (settings === undefined) {
    const text = `There is no cluster in ${data}; start one with \`cox up\`.\n`;
    return { text: output === "json" ? "null\n" : text, healthy: false };
  }
  const status = await statusOf(settings, paths);
  const healthy =
    status.ready &&
    status.supervisor !== null &&
    status.processes.every(({ pid }) => pid !== null) &&
    status.nodes.every(({ ready }) => ready);
  const text = output === "json" ? `${JSON.stringify(status, null, 2)}\n` : asText(status);
  return { text, healthy };
}

async function statusOf(settings: ClusterSettings, paths: Paths): Promise<Status> {
  const own = settings.natsUrl === undefined ? ["nats-server"] : [];
  const processes = [...own, ...layoutOf(settings).map(({ name }) => name)].map((name) => {
    const pid = readPid(join(paths.run, `${name}.pid`));
    return { name, pid: pid !== undefined && isAlive(pid, paths.data) ? pid : null };
  });
  const ready = await get(paths.data, settings.apiPort, "/readyz").then(
    ({ code }) => code === 200,
    () => false,
  );
  const nodes = ready ? await nodesReady(paths.data, settings.apiPort) : undefined;
  return {
    data: paths.data,
    server: `https://127.0.0.1:${settings.apiPort}`,
    ready,
    runtime: settings.runtime,
    durability: settings.durability,
    supervisor: supervisorOf(paths) ?? null,
    processes,
    nodes: settings.nodes.map(({ name }) => ({ name, ready: nodes?.get(name) ?? false })),
  };
}

function asText(status: Status): string {
  const rows = [
    ["server", status.server, status.ready ? "ready" : "not ready"],
    ["supervisor", "", status.supervisor === null ? "not running" : `pid ${status.supervisor}`],
    ...status.processes.map(({ name, pid }) => [
      "process",
      name,
      pid === null ? "not running" : `pid ${pid}`,
    ]),
    ...status.nodes.map(({ name, ready }) => ["node", name, ready ? "Ready" : "NotReady"]),
  ];
  const width = (column: number) => Math.max(...rows.map((row) => (row[column] ?? "").length));
  const [first, second] = [width(0), width(1)];
  const lines = rows.map(([kind = "", name = "", state = ""]) =>
    `${kind.padEnd(first)}  ${name.padEnd(second)}  ${state}`.trimEnd(),
  );
  const head = `${status.data}: ${status.runtime} runtime, ${status.durability} durability`;
  return `${head}\n${lines.join("\n")}\n`;
}
