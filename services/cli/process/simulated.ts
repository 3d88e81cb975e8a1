/** All nodes of a cluster without containers: their agents play the stages of pods' lives. */

import type { Running } from "../../../shared/actor/dependencies.ts";
import { startSimulatedNodes } from "../../kubelet/runtimes/simulated.ts";
import { clusterNetwork } from "../../node/network.ts";
import { dependenciesOf } from "./bus.ts";
import type { ProcessContext } from "./parts.ts";

export async function runSimulatedNodes(context: ProcessContext): Promise<Running> {
  const { settings } = context;
  return startSimulatedNodes(dependenciesOf(context), {
    count: settings.nodes.length,
    prefix: "node",
    podNetwork: clusterNetwork(settings.slot).podCidr,
  });
}
