import { expect, test } from "vitest";
import { BusWatches } from "../../services/apiserver/bus/watches.ts";
import { createContext, type EngineContext } from "../../services/apiserver/context.ts";
import { WATCH_BEAT_MS, type WatchFrame } from "../../shared/actor/api.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Store } from "../../shared/store/store.ts";
import type { Borrower, Change, Entry, ProjectionReader } from "../../shared/store/view.ts";
import { ADMIN, engineOptions } from "./harness.ts";

/** What looking at one object costs in this world. */
const LOOK_MS = 0.1;
/** A turn of the event loop in which more has been done keeps everybody else waiting. */
const TURN_MS_MAX = 10;
const OBJECTS = 20_000;

/** A loop of which the test makes the turns; its clock stands still but for work on objects. */
class Loop {
  now = 0;
  readonly #soon: (() => void)[] = [];
  readonly #periodic: { readonly ms: number; readonly run: () => void; next: number }[] = [];

  readonly runtime = {
    clock: { monotonic: () => this.now, now: () => this.now },
    timers: {
      after: (_: number, run: () => void) => {
        this.#soon.push(run);
        return () => undefined;
      },
      every: (ms: number, run: () => void) => {
        const timer = { ms, run, next: this.now + ms };
        this.#periodic.push(timer);
        return () => this.#periodic.splice(this.#periodic.indexOf(timer), 1);
      },
    },
  } as unknown as Runtime;

  get idle(): boolean {
    return this.#soon.length === 0;
  }

  /** @returns how long the turn took. */
  async turn(): Promise<number> {
    const began = this.now;
    for (const run of this.#soon.splice(0)) run();
    for (const timer of [...this.#periodic]) {
      if (timer.next > this.now) continue;
      timer.next = this.now + timer.ms;
      timer.run();
    }
    for (let each = 0; each < 20; each++) await undefined;
    return this.now - began;
  }
}

/** Pods, of which the clock says that they are looked at. */
class World {
  readonly loop = new Loop();
  readonly watches: BusWatches;
  readonly context: EngineContext;
  revision = 1_000_000;
  looks = 0;
  readonly #entries: Entry[];
  readonly #handlers = new Set<(change: Change) => void>();

  constructor() {
    this.#entries = Array.from({ length: OBJECTS }, (_, index) => this.#pod(index, index + 1));
    const projection = {
      revision: this.revision,
      ready: true,
      list: () => this.#entries,
      onNode: () => [],
      changesSince: () => this.#entries.map((entry) => this.#modified(entry)),
      subscribe: (_: unknown, handler: (change: Change) => void) => {
        this.#handlers.add(handler);
        return () => this.#handlers.delete(handler);
      },
    } as unknown as ProjectionReader & Borrower;
    const store = { head: async () => this.revision } as unknown as Store;
    const { runtime } = this.loop;
    const all = <T>(of: T) => ({ cluster: of, events: of, leases: of });
    const allowed = { authorize: () => ({ allowed: true, reason: "" }) };
    const options = engineOptions(runtime, all(store), all(projection) as never, allowed);
    this.context = createContext({ ...options, logger: silentLogger });
    this.watches = new BusWatches(this.context);
  }

  #pod(index: number, revision: number): Entry {
    const name = `pod-${String(index).padStart(5, "0")}`;
    const object = {
      kind: "Pod",
      apiVersion: "v1",
      metadata: { name, namespace: "default" },
      spec: index % 2 === 0 ? { nodeName: `node-${index}` } : {},
    };
    const look = (): typeof object => {
      this.looks += 1;
      this.loop.now += LOOK_MS;
      return object;
    };
    return {
      key: `pods/default/${name}`,
      resource: "pods",
      namespace: "default",
      name,
      revision,
      bytes: Buffer.from(JSON.stringify(object)),
      headers: { actor: "", replica: "", trace: "", cause: 0 },
      time: 0,
      get object() {
        return look() as unknown as Entry["object"];
      },
    };
  }

  #modified(entry: Entry): Change {
    return { type: "MODIFIED", revision: entry.revision, entry, old: entry };
  }

  /** A pod of the list is changed. */
  change(index: number): void {
    this.revision += 1;
    const entry = this.#pod(index, this.revision);
    const old = this.#entries[index];
    for (const tell of this.#handlers) {
      tell({ type: "MODIFIED", revision: this.revision, entry, old });
    }
  }

  /** The frames of a watch, and when they came; the consumer takes each at once. */
  watch(consumer: string, fieldSelector: string, from?: number) {
    const frames: { readonly frame: WatchFrame; readonly at: number }[] = [];
    const request = { resource: "pods", fieldSelector, consumer };
    const asked = from === undefined ? request : { ...request, from };
    void this.watches.start("someone", ADMIN, asked, (bytes) => {
      frames.push({ frame: JSON.parse(Buffer.from(bytes).toString()), at: this.loop.now });
    });
    return frames;
  }

  /** Makes turns until nothing is left to be done; the consumers take all they get meanwhile. */
  async rest(...consumers: string[]): Promise<number> {
    let longest = 0;
    for (let quiet = 0; quiet < 3; quiet = this.loop.idle ? quiet + 1 : 0) {
      longest = Math.max(longest, await this.loop.turn());
      for (const consumer of consumers) this.watches.more("someone", consumer, 1_000_000);
    }
    return longest;
  }
}

test("no turn is spent on a listing of thousands, and beats go on meanwhile", async () => {
  const world = new World();
  const frames = world.watch("a", "spec.nodeName=nowhere,status.phase=Unheard");
  const many = world.watch("b", "status.phase=Unheard");
  expect(await world.rest("a", "b")).toBeLessThan(TURN_MS_MAX);
  expect(frames[0]?.frame.type).toBe("synced");
  expect(world.looks).toBe(OBJECTS);
  expect(many.at(-1)?.frame.type).toBe("synced");
  const times = [0, ...many.map(({ at }) => at)];
  for (const [index, at] of times.slice(1).entries()) {
    expect(at - (times[index] as number)).toBeLessThan(2 * WATCH_BEAT_MS);
  }
});

test("a listing is of the moment it was asked for; changes follow it in order", async () => {
  const world = new World();
  const frames = world.watch("a", "spec.nodeName!=");
  for (let each = 0; each < 5; each++) await world.loop.turn();
  expect(frames.length).toBeGreaterThan(0);
  for (const index of [19_998, 4, 0]) world.change(index);
  expect(await world.rest("a")).toBeLessThan(TURN_MS_MAX);
  const told = frames.map(({ frame }) => frame).filter(({ type }) => type !== "beat");
  const synced = told.findIndex(({ type }) => type === "synced");
  expect(synced).toBe(OBJECTS / 2);
  expect(told[synced]).toMatchObject({ revision: 1_000_000 });
  expect(told[synced - 1]).toMatchObject({ key: "pods/default/pod-19998", revision: 19_999 });
  const after = told
    .slice(synced + 1)
    .map((frame) => "key" in frame && [frame.key, frame.revision]);
  expect(after).toEqual([
    ["pods/default/pod-19998", 1_000_001],
    ["pods/default/pod-00004", 1_000_002],
    ["pods/default/pod-00000", 1_000_003],
  ]);
  const sequences = frames.map(({ frame }) => frame.sequence);
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
});

test("what was missed is gone through in turns, too; no beat runs ahead of it", async () => {
  const world = new World();
  const frames = world.watch("a", "spec.nodeName!=", 1);
  expect(await world.rest("a")).toBeLessThan(TURN_MS_MAX);
  const told = frames.map(({ frame }) => frame);
  expect(told.filter(({ type }) => type === "version")).toHaveLength(OBJECTS / 2);
  expect(told.some(({ type }) => type === "synced")).toBe(false);
  for (const frame of told) if (frame.type === "beat") expect(frame.revision).toBe(0);
});

test("a watch that was stopped, or asked for anew, does no more work", async () => {
  const world = new World();
  const first = world.watch("a", "spec.nodeName!=");
  for (let each = 0; each < 4; each++) await world.loop.turn();
  const sent = first.length;
  const looks = world.looks;
  expect(sent).toBeGreaterThan(0);
  const second = world.watch("a", "status.phase=Unheard");
  await world.rest("a");
  expect(first).toHaveLength(sent);
  expect(second.at(-1)?.frame.type).toBe("synced");
  expect(world.looks - looks).toBe(OBJECTS);
  world.watch("b", "status.phase=Unheard");
  for (let each = 0; each < 4; each++) await world.loop.turn();
  const before = world.looks;
  world.watches.stop("another", "b");
  await world.loop.turn();
  expect(world.looks).toBeGreaterThan(before);
  const stopped = world.looks;
  world.watches.stop("someone", "b");
  await world.rest("b");
  expect(world.looks).toBe(stopped);
});

test("a consumer that takes nothing costs no more than what its window holds", async () => {
  const world = new World();
  const frames = world.watch("a", "spec.nodeName!=");
  await world.rest();
  const { looks } = world;
  expect(frames.filter(({ frame }) => frame.type === "version").length).toBeLessThanOrEqual(1024);
  expect(looks).toBeLessThan(OBJECTS / 5);
  await world.rest();
  expect(world.looks).toBe(looks);
});
