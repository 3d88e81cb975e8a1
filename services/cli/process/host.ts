/** With several nodes on one machine: the proxy by which the host itself reaches Services. */
import type { Running } from "../../../shared/actor/dependencies.ts";
import { clusterNetwork } from "../../node/network.ts";
import { startNodeProxy } from "./node.ts";
import type { ProcessContext } from "./parts.ts";

export async function runHost(context: ProcessContext): Promise<Running> {
  const network = clusterNetwork(context.settings.slot);
  const here = { networkNamespace: undefined };
  return startNodeProxy(context, network, here, undefined);
}
