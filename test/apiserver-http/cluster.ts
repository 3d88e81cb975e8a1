import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePki } from "../../services/apiserver/auth/pki.ts";
import { parseTokenFile } from "../../services/apiserver/auth/token-file.ts";
import { type Apiserver, startApiserver } from "../../services/apiserver/start.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { MemoryBus } from "../streams/memory-bus.ts";
import { ADMIN_TOKEN, VIEWER_TOKEN } from "./fixture.ts";

const TOKENS = `${ADMIN_TOKEN},admin,,"system:masters"\n${VIEWER_TOKEN},viewer,,\n`;
const NETWORK = { serviceCidr: "10.96.0.0/16", nodePortRange: [30_000, 32_767] } as const;

/** A whole apiserver over stores in memory, as clients of HTTPS see it. */
export async function startCluster(stores = newStores()) {
  const directory = mkdtempSync(join(tmpdir(), "apiserver-"));
  const runtime = liveRuntime();
  const bus = new MemoryBus();
  const pki = ensurePki(directory, ["10.96.0.1"], runtime);
  const apiserver: Apiserver = await startApiserver(
    { runtime, bus, logger: silentLogger, replica: "apiserver-1" },
    {
      stores,
      network: NETWORK,
      serving: { address: "172.30.0.1", port: 6443 },
      https: { pki, port: 0, address: "127.0.0.1", staticTokens: parseTokenFile(TOKENS) },
    },
  );
  const port = apiserver.port ?? 0;
  const stop = async () => {
    await apiserver.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  const url = `https://127.0.0.1:${port}`;
  return { apiserver, url, pki, bus, runtime, directory, stores, server: { port }, stop };
}

export type Cluster = Awaited<ReturnType<typeof startCluster>>;

/** The logs of a new cluster. */
export function newStores() {
  const runtime = liveRuntime();
  return {
    cluster: new MemoryStore(runtime),
    events: new MemoryStore(runtime),
    leases: new MemoryStore(runtime),
  };
}
