import { keptBytes } from "../runtime/kept-bytes.ts";

const SLAB_BYTES = 256 * 1024;
/** A projection begins with little, and so do the thousands of small ones in tests. */
const FIRST_BYTES = 8 * 1024;
/** What is larger has memory of its own. */
const SHARE_BYTES = 64 * 1024;

/** Whose bytes lie in a slab. */
export interface Resident {
  /** Where its bytes are now. */
  readonly slab: Slab;
  /** Copies its bytes into another slab, unless nobody needs them there any more. */
  move(): void;
}

/** Memory for the bytes of many, one behind the other. */
export class Slab {
  readonly memory: Buffer;
  #used = 0;
  #kept = 0;
  #isFull = false;
  #residents: Resident[] = [];

  constructor(bytes: number) {
    this.memory = keptBytes.allocate(bytes);
  }

  get room(): number {
    return this.memory.length - this.#used;
  }

  /** Where the next so many bytes lie. */
  take(length: number): number {
    const at = this.#used;
    this.#used += length;
    return at;
  }

  /** The resident's bytes, so many, are to be kept until it leaves. */
  enter(resident: Resident, length: number): void {
    this.#residents.push(resident);
    this.#kept += length;
  }

  /** So many bytes need not be kept any more. */
  leave(length: number): void {
    this.#kept -= length;
    this.#empty();
  }

  /** Nothing more is to come. */
  close(): void {
    this.#isFull = true;
    this.#empty();
  }

  /** When half of what is here need not be kept, the rest moves. */
  #empty(): void {
    if (!this.#isFull || this.#kept * 2 > this.#used) return;
    const residents = this.#residents;
    this.#residents = [];
    this.#kept = 0;
    for (const resident of residents) if (resident.slab === this) resident.move();
  }
}

/**
 * Memory for the bytes of many entries in a few large pieces: a piece for each would be several
 * objects, all of which V8 visits whenever it collects the heap. What is moved stays readable where
 * it was for those who hold a Buffer of it; a slab goes when nobody refers to it.
 */
export class Slabs {
  #current = new Slab(FIRST_BYTES);
  #bytes = FIRST_BYTES;

  /** A slab with room for so many bytes. */
  for(length: number): Slab {
    if (length <= this.#current.room) return this.#current;
    if (length > SHARE_BYTES) {
      const slab = new Slab(length);
      slab.close();
      return slab;
    }
    const full = this.#current;
    this.#bytes = Math.min(Math.max(this.#bytes * 2, length), SLAB_BYTES);
    this.#current = new Slab(this.#bytes);
    full.close();
    // What moved out of it may have taken the room.
    return this.for(length);
  }
}
