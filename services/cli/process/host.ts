/** With several nodes on one machine: the proxy by which the host itself reaches Services. */
import type { Running } from "../../../shared/actor/dependencies.ts";
import { clusterNetwork } from "../../node/network.ts";
import { HOST_USER } from "../credentials.ts";
import { connectBus } from "./bus.ts";
import type { ProcessContext } from "./context.ts";
import { startNodeProxy } from "./node.ts";

export async function runHost(context: ProcessContext): Promise<Running> {
  const { connection, bus } = await connectBus(context, HOST_USER);
  const network = clusterNetwork(context.settings.slot);
  const here = { networkNamespace: undefined };
  const proxy = await startNodeProxy(context, bus, network, here, undefined);
  return {
    stop: async () => {
      await proxy.stop();
      await connection.close();
    },
  };
}
