const MEBIBYTE = 1024 * 1024;
/** So often it is seen whether the heap was collected: after so many bytes. */
const LOOK_BYTES = 4 * MEBIBYTE;
const GARBAGE_LEAST = 64 * MEBIBYTE;
const GARBAGE_MOST = 512 * MEBIBYTE;
/** More than V8 lets external memory grow before it collects. */
const PRESSURE_BYTES = 80 * MEBIBYTE;

/**
 * Memory of bytes that are kept for long. V8 counts the memory of each ArrayBuffer, and when they
 * have grown by 64 MB it collects the whole heap, with a step of up to 10 ms at every further
 * ArrayBuffer until it is done: while objects are written, that halts a process for up to 400 ms.
 * What is shared between threads it does not count; so that garbage does not pile up there, it is
 * asked to collect when as much was allocated as was in use after the last time.
 */
export class KeptBytes {
  /** How much may be allocated between two collections of the whole heap. */
  #bytesMax: number;
  /** Allocated since one was seen, or asked for. */
  #bytes = 0;
  #lookAt = LOOK_BYTES;
  /** Collections of the young objects alone leave what it refers to. */
  #canary = new WeakRef({});

  /** `bytesMax`: before the first collection. */
  constructor(bytesMax = GARBAGE_LEAST) {
    this.#bytesMax = bytesMax;
  }

  /** Never from Node's shared pool: what lives long would keep its neighbours' memory. */
  allocate(length: number): Buffer {
    this.#bytes += length;
    if (this.#bytes > this.#lookAt) this.#look();
    return Buffer.from(new SharedArrayBuffer(length));
  }

  #look(): void {
    if (this.#canary.deref() === undefined) {
      this.#canary = new WeakRef({});
      this.#bytes = 0;
      const inUse = process.memoryUsage().arrayBuffers;
      this.#bytesMax = Math.min(Math.max(inUse, GARBAGE_LEAST), GARBAGE_MOST);
    } else if (this.#bytes > this.#bytesMax) {
      this.#bytes = 0;
      askForCollection();
    }
    this.#lookAt = this.#bytes + LOOK_BYTES;
  }
}

/** Nobody writes into it: it takes no memory, and goes with the next collection. */
function askForCollection(): void {
  new ArrayBuffer(PRESSURE_BYTES);
}

/** Of all projections of the process. */
export const keptBytes = new KeptBytes();
