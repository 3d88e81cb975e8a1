/** Watch fan-out: the same changes to many watchers, in a burst and paced. */
import type { Client } from "./client.ts";
import { configMap, type Limits, load, makeNamespace } from "./objects.ts";
import { quantile, type Report } from "./report.ts";

const NAMESPACE = "bench-watch";
const PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const WATCHERS = 100;
const PACE_MS = 20;
const WAIT_MS = 20_000;
const SENT = Buffer.from('"sent":"');

export async function measureWatches(client: Client, limits: Limits, report: Report) {
  await makeNamespace(client, NAMESPACE);
  const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>(PATH);
  const query = `?watch=true&resourceVersion=${metadata.resourceVersion}`;
  let received = 0;
  let last = 0;
  let latencies: number[] = [];
  const line = (text: Buffer): void => {
    const at = text.indexOf(SENT);
    // Others write to the namespace too: each gets the root certificate.
    if (at < 0) return;
    received++;
    last = performance.now();
    const sent = text.toString("latin1", at + SENT.length, text.indexOf(34, at + SENT.length));
    latencies.push(last - Number(sent));
  };
  const stops = await Promise.all(
    Array.from({ length: WATCHERS }, () => client.watch(PATH + query, line)),
  );
  const arrived = async (count: number): Promise<void> => {
    const deadline = performance.now() + WAIT_MS;
    while (received < count && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const create = (name: string): Promise<unknown> =>
    client.ok("POST", PATH, configMap(name, { sent: performance.now().toFixed(2) }));
  const missed = (expected: number): string =>
    received === expected ? "all delivered" : `${expected - received} NOT DELIVERED`;

  const began = performance.now();
  const burst = await load(limits.objects / 5, limits.mostMs, (index) => create(`b-${index}`));
  await arrived(burst.done * WATCHERS);
  report.add({
    what: `watch fan-out to ${WATCHERS} watchers, burst`,
    value: (received * 1000) / (last - began),
    unit: "events/s",
    reference: 59_000,
    budget: 2,
    note: missed(burst.done * WATCHERS),
  });
  received = 0;
  latencies = [];
  const count = Math.floor(limits.durationMs / PACE_MS);
  const paced: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    paced.push(create(`p-${index}`));
    await new Promise((resolve) => setTimeout(resolve, PACE_MS));
  }
  await Promise.all(paced);
  await arrived(count * WATCHERS);
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  const what = `watch delivery from request, paced ${1000 / PACE_MS}/s`;
  report.add({ what: `${what}, p50`, value: p50, unit: "ms", note: missed(count * WATCHERS) });
  report.add({ what: `${what}, p99`, value: p99, unit: "ms" });
  for (const stop of stops) stop();
  await client.ok("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
}
