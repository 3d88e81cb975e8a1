/** Waits until a cluster can be measured: also after a rest, in which leases have run out. */
import { configMap } from "./bodies.ts";
import type { Client } from "./client.ts";
import { pause } from "./lanes.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const WAIT_MS = 240_000;
const SAY_AFTER_MS = 5_000;
const POLL_MS = 250;
/** So often in a row, before it counts. */
const STEADY = 3;

/** A Lease is renewed every ten seconds. */
const FRESH_MS = 20_000;

interface LeaseList {
  readonly items: readonly { readonly spec: { readonly renewTime?: string } }[];
}

interface NodeList {
  readonly items: readonly {
    readonly spec?: { readonly unschedulable?: boolean; readonly taints?: readonly unknown[] };
    readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
  }[];
}

/** Writes succeed and so many nodes can be scheduled to. @throws Error when that takes too long */
export async function untilUsable(client: Client, nodes: number): Promise<void> {
  const began = performance.now();
  let said = 0;
  // What they waited for while the server rested is nothing to start with.
  client.close();
  for (let steady = 0, turn = 0; steady < STEADY; turn++) {
    const missing = await whatIsMissing(client, nodes, turn).catch(String);
    steady = missing === undefined ? steady + 1 : 0;
    const waited = performance.now() - began;
    if (missing !== undefined && waited > WAIT_MS) throw new Error(`not usable: ${missing}`);
    if (missing !== undefined && waited > said + SAY_AFTER_MS) {
      console.info(`  waiting: ${missing}`);
      said = waited;
    }
    if (steady < STEADY) await pause(POLL_MS);
  }
}

async function whatIsMissing(client: Client, nodes: number, turn: number) {
  const { code } = await client.send("GET", "/readyz");
  if (code !== 200) return `/readyz: ${code}`;
  const path = "/api/v1/namespaces/default/configmaps";
  const name = `bench-usable-${process.pid}-${turn}`;
  await client.ok("POST", path, configMap(name, {}));
  await client.ok("DELETE", `${path}/${name}`);
  const { items } = await client.json<NodeList>("/api/v1/nodes");
  const ready = items.filter(
    ({ spec, status }) =>
      (spec?.taints ?? []).length === 0 &&
      status?.conditions?.some((each) => each.type === "Ready" && each.status === "True"),
  ).length;
  if (ready < nodes) return `${ready} of ${nodes} nodes can be scheduled to`;
  // What is overdue after a rest would be written while something else is measured.
  const leases = await client.json<LeaseList>(LEASES);
  const fresh = leases.items.filter(
    ({ spec }) => Date.now() - Date.parse(spec.renewTime ?? "") < FRESH_MS,
  ).length;
  return fresh >= nodes ? undefined : `${fresh} of ${nodes} node leases are fresh`;
}
