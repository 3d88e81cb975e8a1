import { FILTERS, refusalsOf } from "./filters/index.ts";
import type { NodeInfo, Surroundings } from "./node-info.ts";
import type { Columns, NodeTable } from "./node-table.ts";
import type { PodInfo } from "./pod-info.ts";
import { otherScores, PLAIN_SCORE, resourceScore } from "./scores.ts";

const REFUSED = -1;

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
    return this.#size === 0 ? undefined : this.#table.rows[this.#heap[0] as number];
  }

  #catchUp(): void {
    const { version } = this.#table;
    if (this.#version === version) return;
    const changes = this.#table.changesSince(this.#version);
    this.#version = version;
    if (changes === undefined || changes.length > this.#rows) this.#build();
    else for (const row of changes) this.#update(row);
  }

  #build(): void {
    const { columns, rows } = this.#table;
    const owned = this.#table.hasOwned(this.#pod.owner);
    this.#size = 0;
    for (let row = 0; row < this.#rows; row++) {
      const score = this.#score(columns, rows, row, owned);
      this.#scores[row] = score;
      this.#places[row] = -1;
      if (score !== REFUSED) this.#place(this.#size++, row);
    }
    for (let place = (this.#size >> 1) - 1; place >= 0; place--) this.#sink(place);
  }

  #update(row: number): void {
    const { columns, rows } = this.#table;
    const score = this.#score(columns, rows, row, this.#table.hasOwned(this.#pod.owner));
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
  #score(columns: Columns, rows: readonly NodeInfo[], row: number, owned: boolean): number {
    const pod = this.#pod;
    const { cpuRoom, memoryRoom, podsRoom, cpuTaken, memoryTaken, podsTaken } = columns;
    if ((podsTaken[row] as number) >= (podsRoom[row] as number)) return REFUSED;
    const { cpu, memory } = pod;
    if (cpu > 0 && cpu > (cpuRoom[row] as number) - (cpuTaken[row] as number)) return REFUSED;
    const free = (memoryRoom[row] as number) - (memoryTaken[row] as number);
    if (memory > 0 && memory > free) return REFUSED;
    const score = resourceScore(
      (columns.cpuAssumed[row] as number) + pod.assumedCpu,
      cpuRoom[row] as number,
      (columns.memoryAssumed[row] as number) + pod.assumedMemory,
      memoryRoom[row] as number,
    );
    if (!this.#picky && !owned && columns.special[row] === 0) return score + PLAIN_SCORE;
    const node = rows[row] as NodeInfo;
    if (this.#picky || columns.special[row] === 1) {
      if (refusalsOf(FILTERS, pod, node, this.#around).plugin) return REFUSED;
    }
    return score + otherScores(pod, node);
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
