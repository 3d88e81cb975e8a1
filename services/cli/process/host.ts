/** With several nodes on one machine: the proxy by which the host itself reaches Services. */
import type { Running } from "../../../shared/actor/dependencies.ts";
import { clusterNetwork } from "../../node/network.ts";
import type { ProcessContext } from "./context.ts";
import { startNodeProxy } from "./node.ts";

export async function runHost(context: ProcessContext): Promise<Running> {
  const { bus } = await context.connecting;
  const network = clusterNetwork(context.settings.slot);
  const here = { networkNamespace: undefined };
  return startNodeProxy(context, bus, network, here, undefined);
}
