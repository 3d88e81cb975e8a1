import type { Node } from "../../shared/api/generated/types.ts";
import { hash32 } from "../../shared/runtime/random.ts";
import { NodeInfo, Surroundings } from "./node-info.ts";
import type { PodInfo } from "./pod-info.ts";

/** What scheduling compares of every node, a column each: rows are nodes in order of name. */
export interface Columns {
  readonly cpuRoom: Float64Array;
  readonly memoryRoom: Float64Array;
  readonly podsRoom: Float64Array;
  readonly cpuTaken: Float64Array;
  readonly memoryTaken: Float64Array;
  readonly podsTaken: Float64Array;
  readonly cpuAssumed: Float64Array;
  readonly memoryAssumed: Float64Array;
  /** 1: the node is special (NodeInfo.isSpecial). */
  readonly special: Uint8Array;
}

/** A changed row is remembered for so many changes a node; who is behind looks at all. */
const CHANGES_PER_NODE = 4;
const CHANGES_MIN = 1024;

/**
 * All nodes with their pods. A change of a pod or a node costs the same however many nodes there
 * are; a node that comes or goes makes the rows anew when they are next looked at.
 */
export class NodeTable {
  readonly #byName = new Map<string, NodeInfo>();
  readonly #seed: string;
  readonly #antiAffine = new Set<NodeInfo>();
  #rows: NodeInfo[] | undefined;
  readonly #rowOf = new Map<NodeInfo, number>();
  #columns: Columns = columnsOf(0);
  #changed: number[] = [];
  #forgotten = 0;
  #layout = 0;
  #antiAffinity = 0;
  #start = 0;

  /**
   * @param seed Names the replica: among nodes that are equally good, each replica begins with
   *   another, so that they do not all fill the same one.
   */
  constructor(seed = "") {
    this.#seed = seed;
  }

  /** The nodes, in the order of the columns' rows. */
  get rows(): readonly NodeInfo[] {
    return this.#rows ?? this.#arrange();
  }

  get columns(): Columns {
    if (this.#rows === undefined) this.#arrange();
    return this.#columns;
  }

  /** Grows when nodes come or go: rows have another meaning then. */
  get layout(): number {
    if (this.#rows === undefined) this.#arrange();
    return this.#layout;
  }

  /** Grows when pods that keep others away come, go or change, or their nodes do. */
  get antiAffinity(): number {
    return this.#antiAffinity;
  }

  /** The row that comes first among equals. */
  get start(): number {
    if (this.#rows === undefined) this.#arrange();
    return this.#start;
  }

  /** Counts changes of rows; `changesSince` an earlier count says of which. */
  get version(): number {
    return this.#forgotten + this.#changed.length;
  }

  /** Rows changed since the version, some perhaps twice; undefined when that was too long ago. */
  changesSince(version: number): readonly number[] | undefined {
    if (version < this.#forgotten) return undefined;
    return this.#changed.slice(version - this.#forgotten);
  }

  get(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  get hasAntiAffinity(): boolean {
    return this.#antiAffine.size > 0;
  }

  /** The nodes as filters see them that look around. */
  surroundings(): Surroundings {
    return new Surroundings(this.rows, [...this.#antiAffine]);
  }

  /** A node that is new, or a new version of one: its pods stay. */
  set(node: Node): NodeInfo {
    const next = new NodeInfo(node);
    const old = this.#byName.get(next.name);
    this.#byName.set(next.name, next);
    if (old === undefined) {
      this.#rows = undefined;
      return next;
    }
    for (const pod of old.pods) next.add(pod);
    if (this.#antiAffine.size > 0) this.#antiAffinity++;
    if (this.#antiAffine.delete(old)) this.#antiAffine.add(next);
    const row = this.#rowOf.get(old);
    if (this.#rows === undefined || row === undefined) return next;
    this.#rows[row] = next;
    this.#rowOf.delete(old);
    this.#rowOf.set(next, row);
    this.#touch(next);
    return next;
  }

  delete(name: string): void {
    const node = this.#byName.get(name);
    if (node === undefined) return;
    for (const pod of [...node.pods]) this.remove(node, pod);
    this.#byName.delete(name);
    this.#rows = undefined;
  }

  add(node: NodeInfo, pod: PodInfo): void {
    node.add(pod);
    this.#counted(node, pod);
  }

  remove(node: NodeInfo, pod: PodInfo): void {
    node.remove(pod);
    this.#counted(node, pod);
  }

  /** A newer version of a pod that takes the same. */
  replace(node: NodeInfo, old: PodInfo, pod: PodInfo): void {
    node.replace(old, pod);
    if (pod.keepsAway) this.#antiAffinity++;
  }

  #counted(node: NodeInfo, pod: PodInfo): void {
    if (pod.keepsAway) {
      this.#antiAffinity++;
      if (node.antiAffine.size > 0) this.#antiAffine.add(node);
      else this.#antiAffine.delete(node);
    }
    this.#touch(node);
  }

  #touch(node: NodeInfo): void {
    const row = this.#rows && this.#rowOf.get(node);
    if (row === undefined) return;
    write(this.#columns, row, node);
    this.#changed.push(row);
    const most = Math.max(CHANGES_MIN, this.#byName.size * CHANGES_PER_NODE);
    if (this.#changed.length < 2 * most) return;
    this.#forgotten += most;
    this.#changed = this.#changed.slice(most);
  }

  #arrange(): NodeInfo[] {
    const rows = [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#rowOf.clear();
    this.#columns = columnsOf(rows.length);
    for (const [row, node] of rows.entries()) {
      this.#rowOf.set(node, row);
      write(this.#columns, row, node);
    }
    this.#forgotten += this.#changed.length;
    this.#changed = [];
    this.#layout++;
    this.#start = rows.length > 0 && this.#seed !== "" ? hash32(this.#seed) % rows.length : 0;
    this.#rows = rows;
    return rows;
  }
}

function columnsOf(length: number): Columns {
  const column = () => new Float64Array(length);
  return {
    cpuRoom: column(),
    memoryRoom: column(),
    podsRoom: column(),
    cpuTaken: column(),
    memoryTaken: column(),
    podsTaken: column(),
    cpuAssumed: column(),
    memoryAssumed: column(),
    special: new Uint8Array(length),
  };
}

function write(columns: Columns, row: number, node: NodeInfo): void {
  columns.cpuRoom[row] = node.allocatable.get("cpu") ?? 0;
  columns.memoryRoom[row] = node.allocatable.get("memory") ?? 0;
  columns.podsRoom[row] = node.podsMax;
  columns.cpuTaken[row] = node.requested("cpu");
  columns.memoryTaken[row] = node.requested("memory");
  columns.podsTaken[row] = node.podCount;
  columns.cpuAssumed[row] = node.assumedCpu;
  columns.memoryAssumed[row] = node.assumedMemory;
  columns.special[row] = node.isSpecial ? 1 : 0;
}
