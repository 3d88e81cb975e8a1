/** A node's process: kubelet, proxy and DNS, after the node has been prepared for them. */
import { escapeToken } from "../../../nats/subjects.ts";
import type { Running } from "../../../shared/actor/dependencies.ts";
import { startDns } from "../../dns/start.ts";
import { startKubelet } from "../../kubelet/start.ts";
import { commands } from "../../node/command.ts";
import { clusterNetwork } from "../../node/network.ts";
import { prepareHost, prepareNode } from "../../node/prepare.ts";
import { startProxy } from "../../proxy/start.ts";
import { DNS, nodeIdentity, PROXY } from "../identities.ts";
import { connectBus, dependenciesOf } from "./bus.ts";
import type { ProcessContext } from "./parts.ts";
