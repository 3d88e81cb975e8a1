import type { Pod } from "../../../shared/api/generated/types.ts";
import { type Amounts, podRequests } from "../../../shared/api/pod-requests.ts";
import { flatText, sharedText } from "../../../shared/runtime/shared-text.ts";
import { partsOfEntry } from "../../../shared/store/entry.ts";
import type { Key } from "../../../shared/store/store.ts";
import type { Change, Entry, ProjectionReader } from "../../../shared/store/view.ts";

/** What the pods on a node take of it. */
export class Load {
  readonly node: string;
  pods = 0;
  readonly amounts: Map<string, number>;

  constructor(node: string, other?: Load) {
    this.node = node;
    this.pods = other?.pods ?? 0;
    this.amounts = new Map(other?.amounts);
  }

  count(requests: Amounts, sign: 1 | -1): void {
    this.pods += sign;
    for (const [name, amount] of requests) {
      this.amounts.set(name, (this.amounts.get(name) ?? 0) + sign * amount);
    }
  }
}

interface Counted {
  readonly load: Load;
  readonly requests: Amounts;
  /** Fields in the encoded versions of this pod while its specification stays. */
  readonly uid: string;
  readonly generation: string;
}

const REQUESTS_MAX = 1_000;
const ON_A_NODE = '"nodeName":"';
const ENDED = ['"phase":"Succeeded"', '"phase":"Failed"'];

/** Most versions of a pod say something new of its status only: no need to decode them. */
function isSame({ uid, generation }: Counted, { bytes }: Entry): boolean {
  if (!bytes.includes(uid) || !bytes.includes(generation)) return false;
  return !ENDED.some((phase) => bytes.includes(phase));
}

const NOTHING = new Load("");
const followed = new WeakMap<ProjectionReader, NodeLoads>();

/** The load of every node as the projection shows it, kept change by change. */
export class NodeLoads {
  readonly #loads = new Map<string, Load>();
  readonly #counted = new Map<Key, Counted>();
  /** One copy of each: most pods ask for what many others do. */
  readonly #requests = new Map<string, Amounts>();

  /**
   * Follows the projection from its first use on, as long as that lives. The first use looks at
   * every pod.
   */
  static of(projection: ProjectionReader): NodeLoads {
    let loads = followed.get(projection);
    if (loads === undefined) {
      loads = new NodeLoads(projection);
      followed.set(projection, loads);
    }
    return loads;
  }

  private constructor(projection: ProjectionReader) {
    for (const entry of projection.list("pods")) this.#set(entry);
    projection.subscribe("pods", (change) => this.#changed(change));
  }

  on(node: string): Load {
    return this.#loads.get(node) ?? NOTHING;
  }

  #changed({ type, entry }: Change): void {
    if (type === "DELETED") this.#remove(entry.key);
    else this.#set(entry);
  }

  #set(entry: Entry): void {
    const known = this.#counted.get(entry.key);
    if (known === undefined ? !entry.bytes.includes(ON_A_NODE) : isSame(known, entry)) return;
    this.#remove(entry.key);
    const pod = partsOfEntry(entry);
    const spec = pod.part("spec") as Pod["spec"];
    const node = spec?.nodeName;
    const phase = pod.part("status", "phase");
    if (!node || phase === "Succeeded" || phase === "Failed") return;
    const requests = this.#shared(podRequests({ spec }));
    const uid = flatText(`"uid":${JSON.stringify(pod.part("metadata", "uid"))}`);
    // With what follows it: a longer number would begin in the same way.
    const generation = sharedText(`"generation":${pod.part("metadata", "generation")},`);
    let load = this.#loads.get(node);
    if (load === undefined) {
      load = new Load(node);
      this.#loads.set(node, load);
    }
    this.#counted.set(entry.key, { load, requests, uid, generation });
    load.count(requests, 1);
  }

  #shared(requests: Amounts): Amounts {
    const id = JSON.stringify([...requests]);
    const known = this.#requests.get(id);
    if (known !== undefined) return known;
    if (this.#requests.size >= REQUESTS_MAX) this.#requests.clear();
    this.#requests.set(id, requests);
    return requests;
  }

  #remove(key: Key): void {
    const known = this.#counted.get(key);
    if (known === undefined) return;
    this.#counted.delete(key);
    known.load.count(known.requests, -1);
    if (known.load.pods === 0) this.#loads.delete(known.load.node);
  }
}
