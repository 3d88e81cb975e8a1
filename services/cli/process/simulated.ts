/** All nodes of a cluster without containers: their agents play the stages of pods' lives. */
import type { Running } from "../../../shared/actor/dependencies.ts";
import { startSimulatedNodes } from "../../kubelet/runtimes/simulated.ts";
import { clusterNetwork } from "../../node/network.ts";
import { dependenciesOf } from "./bus.ts";
import type { ProcessContext } from "./context.ts";

export async function runSimulatedNodes(context: ProcessContext): Promise<Running> {
  const { settings } = context;
  const { bus } = await context.connecting;
  return startSimulatedNodes(dependenciesOf(context, bus), {
    count: settings.nodes.length,
    prefix: "node",
    podNetwork: clusterNetwork(settings.slot).podCidr,
  });
}
