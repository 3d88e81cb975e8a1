/** The end of a cluster's real nodes: their containers, containerd, networks and mounts. */
import { existsSync } from "node:fs";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { commands } from "../node/command.ts";
import { clusterNetwork } from "../node/network.ts";
import { type Machine, removeHost, removeNode } from "../node/prepare.ts";
import { type Paths, readSettings } from "./cluster.ts";
import { stopProcessNode } from "./process-node.ts";

/** Data stays on disk; the next start finds the nodes as after a reboot. Repeatable. */
export async function stopNodes(paths: Paths): Promise<void> {
  const settings = readSettings(paths);
  if (settings === undefined || !existsSync(paths.data)) return;
  const runtime = liveRuntime();
  if (settings.runtime === "process") {
    for (const { name } of settings.nodes) await stopProcessNode(runtime, paths, name);
  }
  if (settings.runtime !== "cri") return;
  const machine: Machine = { runtime, logger: silentLogger, command: commands(runtime) };
  const network = clusterNetwork(settings.slot);
  const isolated = settings.nodes.length > 1;
  for (const { name, index } of settings.nodes) {
    const place = { dataDirectory: paths.data, node: name, index, isolated, network };
    await removeNode(machine, place);
  }
  await removeHost(machine, network, paths.data);
}
