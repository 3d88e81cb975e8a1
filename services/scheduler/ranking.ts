import { FILTERS, refusalsOf } from "./filters/index.ts";
import type { NodeInfo, Surroundings } from "./node-info.ts";
import type { Columns, NodeTable } from "./node-table.ts";
import type { PodInfo } from "./pod-info.ts";
import { otherScores, plainScore, resourceScore } from "./scores.ts";

const REFUSED = -1;
const PLAIN_SCORE = plainScore(0);

/**
 * The nodes that take a pod, best first, for all pods with its signature. Kept: only nodes that
 * have changed are looked at again. Equal scores go by the order of rows from `table.start` on, so
 * that the same state gives the same answer.
 */
export class Ranking {
  readonly #table: NodeTable;
  readonly #pod: PodInfo;
  readonly #around: Surroundings;
  readonly #rows: number;
  readonly #start: number;
  readonly #picky: boolean;
  readonly #layout: number;
  readonly #antiAffinity: number;
  readonly #scores: Float64Array;
  /** Rows as a binary heap, and where in it each row is (-1: nowhere). */
  readonly #heap: Int32Array;
  readonly #places: Int32Array;
  #size = 0;
  /** A pod that is the only one of its kind needs no heap: only the best node, found on the way. */
  #isHeap = false;
  #top = -1;
  #version: number;

  constructor(table: NodeTable, pod: PodInfo) {
    this.#table = table;
    this.#pod = pod;
    this.#around = table.surroundings();
    this.#rows = table.rows.length;
    this.#start = table.start;
    this.#picky = pod.isPicky || table.hasAntiAffinity;
    this.#layout = table.layout;
    this.#antiAffinity = table.antiAffinity;
    this.#scores = new Float64Array(this.#rows);
    this.#heap = new Int32Array(this.#rows);
    this.#places = new Int32Array(this.#rows);
    this.#version = table.version;
    this.#build();
  }

  /** False when something has changed that may concern every node. */
  get isValid(): boolean {
    const { layout, antiAffinity } = this.#table;
    return this.#layout === layout && this.#antiAffinity === antiAffinity;
  }

  /** The best node as of now; undefined: none takes the pod. */
  best(): NodeInfo | undefined {
    this.#catchUp();
    if (this.#size === 0) return undefined;
    return this.#table.rows[this.#isHeap ? (this.#heap[0] as number) : this.#top];
  }

  #catchUp(): void {
    const { version } = this.#table;
    if (this.#version === version) return;
    const changes = this.#table.changesSince(this.#version);
    this.#version = version;
    if (changes === undefined || changes.length > this.#rows) {
      this.#build();
      return;
    }
    if (!this.#isHeap) this.#heapify();
    for (const row of changes) this.#update(row);
  }

  #build(): void {
    const { columns, rows } = this.#table;
    this.#size = 0;
    this.#top = -1;
    this.#isHeap = false;
    for (let row = 0; row < this.#rows; row++) {
      const score = this.#score(columns, rows, row);
      this.#scores[row] = score;
      if (score === REFUSED) {
        this.#places[row] = -1;
        continue;
      }
      this.#place(this.#size++, row);
      if (this.#top < 0 || this.#precedes(row, this.#top)) this.#top = row;
    }
  }

  #heapify(): void {
    this.#isHeap = true;
    for (let place = (this.#size >> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  #update(row: number): void {
    const { columns, rows } = this.#table;
    const score = this.#score(columns, rows, row);
    const place = this.#places[row] as number;
    const before = this.#scores[row] as number;
    if (score === before) return;
    this.#scores[row] = score;
    if (before === REFUSED) {
      this.#place(this.#size, row);
      this.#rise(this.#size++);
    } else if (score !== REFUSED) {
      if (score > before) this.#rise(place);
      else this.#sink(place);
    } else this.#remove(row, place);
  }

  #remove(row: number, place: number): void {
    this.#places[row] = -1;
    const last = this.#heap[--this.#size] as number;
    if (last === row) return;
    this.#place(place, last);
    this.#sink(place);
    this.#rise(this.#places[last] as number);
  }

  /** What most pods ask of most nodes is told from the columns; the plugins are asked otherwise. */
  #score(columns: Columns, rows: readonly NodeInfo[], row: number): number {
    const { cpu, memory, assumedCpu, assumedMemory, owner } = this.#pod;
    if ((columns.podsTaken[row] as number) >= (columns.podsRoom[row] as number)) return REFUSED;
    const cpuRoom = columns.cpuRoom[row] as number;
    const memoryRoom = columns.memoryRoom[row] as number;
    if (cpu > 0 && cpu > cpuRoom - (columns.cpuTaken[row] as number)) return REFUSED;
    if (memory > 0 && memory > memoryRoom - (columns.memoryTaken[row] as number)) return REFUSED;
    const score = resourceScore(
      (columns.cpuAssumed[row] as number) + assumedCpu,
      cpuRoom,
      (columns.memoryAssumed[row] as number) + assumedMemory,
      memoryRoom,
    );
    const isPlain = !this.#picky && columns.special[row] === 0;
    if (isPlain && (owner === "" || columns.podsTaken[row] === 0)) return score + PLAIN_SCORE;
    const node = rows[row] as NodeInfo;
    if (isPlain) return score + plainScore(node.ownedBy(owner));
    if (refusalsOf(FILTERS, this.#pod, node, this.#around).plugin) return REFUSED;
    return score + otherScores(this.#pod, node);
  }

  #precedes(a: number, b: number): boolean {
    const left = this.#scores[a] as number;
    const right = this.#scores[b] as number;
    if (left !== right) return left > right;
    const start = this.#start;
    return a >= start === b >= start ? a < b : a >= start;
  }

  #place(place: number, row: number): void {
    this.#heap[place] = row;
    this.#places[row] = place;
  }

  #rise(from: number): void {
    const row = this.#heap[from] as number;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#heap[parent] as number;
      if (!this.#precedes(row, above)) break;
      this.#place(place, above);
      place = parent;
    }
    this.#place(place, row);
  }

  #sink(from: number): void {
    const row = this.#heap[from] as number;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#size) break;
      const right = child + 1;
      const other = this.#heap[right] as number;
      if (right < this.#size && this.#precedes(other, this.#heap[child] as number)) child = right;
      const below = this.#heap[child] as number;
      if (!this.#precedes(below, row)) break;
      this.#place(place, below);
      place = child;
    }
    this.#place(place, row);
  }
}
