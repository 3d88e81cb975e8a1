/** Create, get, list, patch, update and delete of one kind of object. */
import type { Kind } from "./bodies.ts";
import { type Client, MERGE_PATCH } from "./client.ts";
import { CONNECTIONS, each, type Load, load } from "./lanes.ts";
import { GROUPS, measureLists } from "./lists.ts";
import { quantile } from "./report.ts";
import { meter, newNamespace, type Side, type Workload } from "./side.ts";

/** kube-apiserver's rates of ConfigMaps, and how many times better DESIGN wants to be. */
type References = Readonly<Record<string, number>>;
const BUDGET = 3;
const WRITERS = 16;
const HOT_OBJECTS = 4;
/** Times that all objects are made and deleted before what is called warm. */
const WARM_UP_TURNS = 2;

interface Stock {
  /** Of the collection. */
  readonly path: string;
  /** Objects number 0 and on. */
  present: number;
}

/** The objects stay from one workload to the next; one that misses them makes them first. */
export class Objects {
  readonly #kind: Kind;
  readonly #references: References;
  readonly #stocks = new WeakMap<Client, Stock>();

  constructor(kind: Kind, references: References = {}) {
    this.#kind = kind;
    this.#references = references;
  }

  workloads(group: string): Workload[] {
    const runs: Record<string, (side: Side) => Promise<void>> = {
      create: (side) => this.#create(side),
      get: (side) => this.#get(side),
      list: (side) => this.#list(side),
      patch: (side) => this.#patch(side),
      update: (side) => this.#update(side),
      delete: (side) => this.#delete(side),
    };
    return Object.entries(runs).map(([name, run]) => {
      const empty = name === "create";
      const prepare = (side: Side) => (empty ? this.#emptied(side) : this.#filled(side));
      return { group, name, nodes: 1, prepare, run };
    });
  }

  async #stock(side: Side): Promise<Stock> {
    const known = this.#stocks.get(side.client);
    if (known !== undefined) return known;
    const namespace = await newNamespace(side, this.#kind.resource);
    const path = `/api/v1/namespaces/${namespace}/${this.#kind.resource}`;
    const stock = { path, present: 0 };
    this.#stocks.set(side.client, stock);
    return stock;
  }

  #count({ limits }: Side): number {
    return limits.quick ? this.#kind.quickCount : this.#kind.count;
  }

  #post(side: Side, { path }: Stock, index: number): Promise<unknown> {
    const body = this.#kind.body(name(index), { group: `g-${index % GROUPS}` });
    return side.client.ok("POST", path, body);
  }

  async #filled(side: Side): Promise<Stock> {
    const stock = await this.#stock(side);
    const { present } = stock;
    const missing = this.#count(side) - present;
    await each(missing, (index) => this.#post(side, stock, present + index));
    stock.present = this.#count(side);
    return stock;
  }

  async #emptied(side: Side): Promise<Stock> {
    const stock = await this.#stock(side);
    await each(stock.present, (index) => side.client.ok("DELETE", `${stock.path}/${name(index)}`));
    stock.present = 0;
    return stock;
  }

  async #rate(side: Side, what: string, run: () => Promise<Load>): Promise<Load> {
    const title = `${what} ${this.#kind.name}`;
    const used = meter(side);
    const { perSecond: value, times, done } = await run();
    const note = waits(times);
    const reference = this.#references[what];
    const compared = reference === undefined ? {} : { reference, budget: BUDGET };
    side.add({ what: `${title}, ${CONNECTIONS} at once`, value, unit: "/s", ...compared, note });
    used(title, done);
    return { perSecond: value, times, done };
  }

  /**
   * A server that was just started still compiles what it does: its first creations are a figure of
   * their own, and those after a warm-up another.
   */
  async #create(side: Side): Promise<void> {
    const stock = await this.#stock(side);
    const run = () =>
      load(this.#count(side), side.limits.mostMs, (index) => this.#post(side, stock, index));
    stock.present = (await this.#rate(side, "first to create", run)).done;
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
      await this.#emptied(side);
      await this.#filled(side);
    }
    await this.#emptied(side);
    stock.present = (await this.#rate(side, "create", run)).done;
  }

  async #get(side: Side): Promise<void> {
    const { path, present } = await this.#stock(side);
    const work = (index: number) => side.client.ok("GET", `${path}/${any(index, present)}`);
    await this.#rate(side, "get", () => load(Infinity, side.limits.durationMs, work));
  }

  async #list(side: Side): Promise<void> {
    const { path, present } = await this.#stock(side);
    await measureLists(side, { path, count: present, of: this.#kind.name });
  }

  async #patch(side: Side): Promise<void> {
    const { path, present } = await this.#stock(side);
    const work = (index: number) => {
      const patch = { metadata: { annotations: { turn: String(index) } } };
      return side.client.ok("PATCH", `${path}/${any(index, present)}`, patch, MERGE_PATCH);
    };
    await this.#rate(side, "merge patch", () => load(Infinity, side.limits.durationMs, work));
  }

  /** As every client does it: read, change, write with the revision read; on 409 anew. */
  async #update(side: Side): Promise<void> {
    const { client, limits } = side;
    const { path } = await this.#stock(side);
    let conflicts = 0;
    const work = async (index: number): Promise<void> => {
      const url = `${path}/${name(index % HOT_OBJECTS)}`;
      for (;;) {
        const object = await client.json<{ metadata: { annotations?: object } }>(url);
        object.metadata.annotations = { ...object.metadata.annotations, turn: String(index) };
        const { code, body } = await client.send("PUT", url, JSON.stringify(object));
        if (code === 200) return;
        if (code !== 409) throw new Error(`PUT ${url}: ${code} ${body}`);
        conflicts++;
      }
    };
    const used = meter(side);
    const { perSecond, done, times } = await load(Infinity, limits.durationMs, work, WRITERS);
    const what = `update ${this.#kind.name}, ${WRITERS} writers of ${HOT_OBJECTS} objects`;
    const note = waits(times);
    side.add({ what: `${what}, successful`, value: perSecond, unit: "/s", note });
    side.add({ what: `${what}, conflicts for each`, value: conflicts / done, unit: "" });
    used(what, done);
  }

  async #delete(side: Side): Promise<void> {
    const stock = await this.#stock(side);
    const { path, present } = stock;
    await this.#rate(side, "delete", () =>
      load(present, Infinity, (index) => side.client.ok("DELETE", `${path}/${name(index)}`)),
    );
    stock.present = 0;
  }
}

function name(index: number): string {
  return `object-${index}`;
}

/** Far from its neighbours. */
function any(index: number, count: number): string {
  return name((index * 7919) % count);
}

function waits(times: readonly number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`;
}
