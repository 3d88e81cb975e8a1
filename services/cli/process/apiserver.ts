/** An apiserver process. */
import { readFileSync } from "node:fs";
import { openStore } from "../../../nats/store.ts";
import { joinMembership } from "../../../shared/actor/membership.ts";
import { ensurePki } from "../../apiserver/auth/pki.ts";
import { parseTokenFile } from "../../apiserver/auth/token-file.ts";
import { startApiserver } from "../../apiserver/start.ts";
import { startCompaction } from "../../compaction/start.ts";
import { clusterNetwork } from "../../node/network.ts";
import { servingNames } from "../access.ts";
import type { NodeRuntime } from "../cluster.ts";
import { hostAddress } from "../process-node.ts";
import { dependenciesOf, logReplicas } from "./bus.ts";
import type { ProcessContext, RunningPart } from "./context.ts";

const NODE_PORTS = [30_000, 32_767] as const;

export async function runApiserver(context: ProcessContext): Promise<RunningPart> {
  const { runtime, settings, paths, logger, socket, faults } = context;
  const network = clusterNetwork(settings.slot);
  // While the server answers.
  const pki = ensurePki(paths.data, servingNames(settings), runtime);
  const { connection, bus } = await context.connecting;
  const { durability } = settings;
  const replicas = logReplicas(settings);
  const [cluster, events, leases] = await Promise.all(
    (["cluster", "events", "leases"] as const).map(async (log) =>
      faults.store(await openStore(connection, runtime, { name: log, durability, replicas })),
    ),
  );
  logger.debug({ atMs: Math.round(runtime.clock.monotonic()) }, "logs opened");
  if (!cluster || !events || !leases) throw new Error("a log is missing");
  const port = settings.apiPort;
  const dependencies = dependenciesOf(context, bus);
  // Leases keep no history. Only this process may change the logs, so compaction lives here.
  const compaction = startCompaction(dependencies, {
    stores: { cluster, events },
    membership: joinMembership(dependencies, "compaction"),
  });
  const running = await startApiserver(dependencies, {
    stores: { cluster, events, leases },
    network: { serviceCidr: network.serviceCidr, nodePortRange: NODE_PORTS },
    serving: { address: servingAddress(settings.runtime, network.hostAddress), port },
    https: {
      pki,
      port,
      ...(socket === undefined ? {} : { socket }),
      staticTokens: parseTokenFile(readFileSync(paths.token, "utf8")),
    },
  });
  return {
    state: () => {
      const { replica } = dependencies;
      const { revision } = running.projections.cluster;
      const common = { replica, log: "cluster", revision } as const;
      return [{ actor: "apiserver", ...common, passes: running.requests }];
    },
    stop: async () => {
      await compaction.stop();
      await running.stop();
    },
  };
}

/** Where pods reach this machine: those of real nodes by its bridge. */
function servingAddress(runtime: NodeRuntime, bridge: string): string {
  return runtime === "process" ? hostAddress() : bridge;
}
