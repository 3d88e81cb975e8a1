import { keptBytes } from "../../shared/runtime/kept-bytes.ts";
import type { Clock } from "../../shared/runtime/runtime.ts";
import { sizeOf } from "../../shared/store/entry.ts";
import type { Entry } from "../../shared/store/view.ts";

/** Whoever asks twice within this time, milliseconds, is likely to ask again. */
const AGAIN_MS = 10_000;
/** What was not asked for so long is forgotten with the next list that is asked for. */
const IDLE_MS = 60_000;
/** All kept lists together; a list that is larger is not kept. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;
const SEGMENT_BYTES = 248 * 1024;
const COMMA = 0x2c;

/** Neighbours of a list and their bytes, each followed by a comma. */
interface Segment {
  readonly entries: readonly Entry[];
  readonly bytes: Buffer;
}

interface Kept {
  /** The list as it was when the segments were made: the same array as long as nothing changes. */
  entries: readonly Entry[] | undefined;
  segments: readonly Segment[];
  bytes: number;
  askedMs: number;
}

/**
 * Encoded items of the lists that are asked for again and again: long stretches of bytes, of which
 * only those are made anew in which something changed.
 */
export class ListCache {
  readonly #clock: Clock;
  /** Least lately asked first. */
  readonly #lists = new Map<string, Kept>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The items with commas between them, in parts that never change; undefined when the list is not
   * kept. `id` names the list; `entries` is what it is now, as the projection hands it out.
   */
  items(id: string, entries: readonly Entry[]): readonly Uint8Array[] | undefined {
    const now = this.#clock.monotonic();
    const kept = this.#lists.get(id);
    this.#forgetIdle(now);
    if (kept === undefined || now - kept.askedMs > AGAIN_MS) {
      this.#forget(id);
      this.#lists.set(id, { entries: undefined, segments: [], bytes: 0, askedMs: now });
      return undefined;
    }
    if (kept.entries !== entries && !this.#renew(kept, entries)) return undefined;
    kept.askedMs = now;
    this.#lists.delete(id);
    this.#lists.set(id, kept);
    const last = kept.segments.length - 1;
    return kept.segments.map(({ bytes }, index) =>
      index === last ? bytes.subarray(0, bytes.length - 1) : bytes,
    );
  }

  /** False when the list is too large to be kept. */
  #renew(kept: Kept, entries: readonly Entry[]): boolean {
    let bytes = 0;
    for (const entry of entries) bytes += sizeOf(entry) + 1;
    this.#bytes -= kept.bytes;
    kept.bytes = 0;
    kept.entries = undefined;
    if (bytes > KEPT_BYTES_MAX) {
      kept.segments = [];
      return false;
    }
    kept.segments = renewed(kept.segments, entries);
    kept.entries = entries;
    kept.bytes = bytes;
    this.#bytes += bytes;
    for (const [id, other] of this.#lists) {
      if (this.#bytes <= KEPT_BYTES_MAX) break;
      if (other !== kept) this.#forget(id);
    }
    return true;
  }

  #forgetIdle(now: number): void {
    for (const [id, { askedMs }] of this.#lists) {
      if (now - askedMs <= IDLE_MS) return;
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    this.#bytes -= this.#lists.get(id)?.bytes ?? 0;
    this.#lists.delete(id);
  }
}

/** Segments of the entries, which are in key order: the old ones where nothing in them changed. */
function renewed(old: readonly Segment[], entries: readonly Entry[]): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  for (let index = 0; index < old.length; index++) {
    const segment = old[index] as Segment;
    const next = old[index + 1]?.entries[0]?.key;
    const end = next === undefined ? entries.length : lowerBound(entries, next, from);
    if (isSame(segment.entries, entries, from, end)) segments.push(segment);
    else encode(segments, entries, from, end);
    from = end;
  }
  encode(segments, entries, from, entries.length);
  return segments;
}

function isSame(
  before: readonly Entry[],
  entries: readonly Entry[],
  from: number,
  end: number,
): boolean {
  if (before.length !== end - from) return false;
  for (let index = 0; index < before.length; index++) {
    if (before[index] !== entries[from + index]) return false;
  }
  return true;
}

/** Appends segments of the entries `from` up to `end`, without a very small one at the end. */
function encode(segments: Segment[], entries: readonly Entry[], from: number, end: number): void {
  let first = from;
  let last = segments[segments.length - 1];
  let bytes = 0;
  for (let index = from; index < end; index++) {
    bytes += sizeOf(entries[index] as Entry) + 1;
    if (bytes < SEGMENT_BYTES && index + 1 < end) continue;
    const part = entries.slice(first, index + 1);
    if (last !== undefined && last.bytes.length + bytes <= SEGMENT_BYTES) {
      // What was left of its neighbours joins the segment before.
      segments.pop();
      last = segmentOf([...last.entries, ...part], last.bytes.length + bytes);
    } else last = segmentOf(part, bytes);
    segments.push(last);
    first = index + 1;
    bytes = 0;
  }
}

function segmentOf(entries: readonly Entry[], length: number): Segment {
  const bytes = keptBytes.allocate(length);
  let at = 0;
  for (const entry of entries) {
    bytes.set(entry.bytes, at);
    at += sizeOf(entry);
    bytes[at++] = COMMA;
  }
  return { entries, bytes };
}

/** Index of the first entry, from `low` on, whose key is not below. */
function lowerBound(entries: readonly Entry[], key: string, low: number): number {
  let first = low;
  let end = entries.length;
  while (first < end) {
    const middle = (first + end) >>> 1;
    if ((entries[middle] as Entry).key < key) first = middle + 1;
    else end = middle;
  }
  return first;
}
