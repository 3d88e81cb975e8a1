/** The node of a cluster without containers: what its process and the command line share. */
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { ProcessRuntime } from "../kubelet/runtimes/process/runtime.ts";
import type { Paths } from "./cluster.ts";

/** The machine's first IPv4 address that others can reach; loopback where there is none. */
export function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outward = addresses.find(({ family, internal }) => family === "IPv4" && !internal);
  return outward?.address ?? "127.0.0.1";
}

export function processRuntime(runtime: Runtime, paths: Paths, node: string): ProcessRuntime {
  const directory = join(paths.data, "nodes", node, "process");
  return new ProcessRuntime({ directory, hostIPs: [hostAddress()], runtime });
}

/** Ends all pods of the node. */
export async function stopProcessNode(runtime: Runtime, paths: Paths, node: string): Promise<void> {
  const pods = processRuntime(runtime, paths, node);
  for (const { id } of await pods.listSandboxes()) {
    await pods.stopSandbox(id);
    await pods.removeSandbox(id);
  }
  pods.close();
}
