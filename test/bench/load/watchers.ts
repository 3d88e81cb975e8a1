/** Watch fan-out: the same changes to many watchers, in a burst and paced. */
import { configMap } from "./bodies.ts";
import { type Following, follow } from "./follow.ts";
import { each, load, pause, until } from "./lanes.ts";
import { sum } from "./processes.ts";
import { quantile } from "./report.ts";
import { meter, newNamespace, type Side, type Workload } from "./side.ts";

const COUNTS = [100, 500, 2_000];
const CHANGES = { full: 1_000, quick: 200 };
const PACE_MS = 20;
const WAIT_MS = 60_000;
const SENT = Buffer.from('"sent":"');
/** So many of the watchers note how long each event took; all count them. */
const TIMED = 100;

export const WATCHES: readonly Workload[] = COUNTS.map((count) => ({
  group: "watch",
  name: `watch-${count}`,
  nodes: 1,
  long: count > 500,
  run: (side: Side) => measureWatches(side, count),
}));

/** What all watchers together have got. */
class Audience {
  received = 0;
  last = 0;
  latencies: number[] = [];
  failure: string | undefined;
  readonly watches: Following[] = [];

  /** Others write to the namespace too: only what carries the time of its sending counts. */
  line(timed: boolean): (text: Buffer) => void {
    return (text) => {
      const at = text.indexOf(SENT);
      if (at < 0) return;
      this.received++;
      if (!timed) return;
      this.last = performance.now();
      const end = text.indexOf(34, at + SENT.length);
      this.latencies.push(this.last - Number(text.toString("latin1", at + SENT.length, end)));
    };
  }

  begin(): number {
    this.received = 0;
    this.latencies = [];
    return performance.now();
  }

  async all(expected: number): Promise<string> {
    const got = () => this.received >= expected || this.failure !== undefined;
    await until(got, WAIT_MS);
    this.last = Math.max(this.last, performance.now());
    if (this.failure !== undefined) return this.failure;
    const missing = expected - this.received;
    if (missing !== 0) return `${missing} of ${expected} NOT DELIVERED`;
    const resumed = sum(this.watches.map((each) => each.resumed));
    return resumed === 0 ? "all delivered" : `all delivered, watches ended ${resumed} times`;
  }
}

async function measureWatches(side: Side, watchers: number): Promise<void> {
  const { client, limits } = side;
  const path = `/api/v1/namespaces/${await newNamespace(side, "watch")}/configmaps`;
  const { metadata } = await client.json<{ metadata: { resourceVersion: string } }>(path);
  const from = { path, revision: metadata.resourceVersion };
  const audience = new Audience();
  const failed = ({ message }: Error) => {
    audience.failure = `NOT ALL DELIVERED: ${message}`;
  };
  const create = (name: string): Promise<unknown> =>
    client.ok("POST", path, configMap(name, { sent: performance.now().toFixed(2) }));
  try {
    await each(watchers, async (index) => {
      const timed = index % Math.ceil(watchers / TIMED) === 0;
      audience.watches.push(await follow(client, from, audience.line(timed), failed));
    });
    const changes = limits.quick ? CHANGES.quick : CHANGES.full;
    await burst(side, watchers, audience, (index) => create(`b-${index}`), changes);
    await paced(side, watchers, audience, (index) => create(`p-${index}`));
  } finally {
    for (const watch of audience.watches) watch.stop();
  }
  await client.ok("DELETE", path);
}

async function burst(
  side: Side,
  watchers: number,
  audience: Audience,
  create: (index: number) => Promise<unknown>,
  changes: number,
): Promise<void> {
  const used = meter(side);
  const began = audience.begin();
  const { done } = await load(changes, side.limits.mostMs, create);
  const note = await audience.all(done * watchers);
  // DESIGN's figures of kube-apiserver.
  const reference = { 100: 59_000, 500: 94_000 }[watchers];
  const what = `watch, burst of ${changes} to ${watchers} watchers`;
  side.add({
    what,
    value: (audience.received * 1000) / (audience.last - began),
    unit: "events/s",
    ...(reference !== undefined && { reference, budget: 2 }),
    note,
  });
  used(`${what}, an event`, audience.received);
}

async function paced(
  side: Side,
  watchers: number,
  audience: Audience,
  create: (index: number) => Promise<unknown>,
): Promise<void> {
  const used = meter(side);
  const began = audience.begin();
  const count = Math.floor(side.limits.durationMs / PACE_MS);
  const sent: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    sent.push(create(index));
    await pause(began + (index + 1) * PACE_MS - performance.now());
  }
  await Promise.all(sent);
  const note = await audience.all(count * watchers);
  const what = `watch, ${1000 / PACE_MS} changes/s to ${watchers} watchers`;
  for (const share of [0.5, 0.99]) {
    const value = quantile(audience.latencies, share);
    side.add({ what: `${what}, request to event, p${share * 100}`, value, unit: "ms", note });
  }
  used(`${what}, an event`, audience.received);
}
