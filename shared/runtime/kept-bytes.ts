/**
 * Memory of bytes that are kept for long. V8 counts the memory of each ArrayBuffer, and when they
 * have grown by 64 MB it collects the whole heap, with a step of up to 10 ms at every further
 * ArrayBuffer until it is done: while objects are written, that halts a process for up to 400 ms.
 * What is shared between threads it does not count.
 */
export class KeptBytes {
  readonly #bytesMax: number;
  /** Allocated since a collection of the whole heap was seen. */
  #bytes = 0;
  #lookAt = LOOK_BYTES;
  /** Collections of the young objects alone leave what it refers to. */
  #canary = new WeakRef({});

  /** `bytesMax`: so much may be allocated between two collections of the whole heap. */
  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Never from Node's shared pool: what lives long would keep its neighbours' memory. */
  allocate(length: number): Buffer {
    this.#bytes += length;
    if (this.#bytes > this.#lookAt) this.#look();
    // What V8 counts makes it collect: otherwise garbage could pile up in what it does not count.
    if (this.#bytes > this.#bytesMax) return Buffer.allocUnsafeSlow(length);
    return Buffer.from(new SharedArrayBuffer(length));
  }

  #look(): void {
    if (this.#canary.deref() === undefined) {
      this.#canary = new WeakRef({});
      this.#bytes = 0;
    }
    this.#lookAt = this.#bytes + LOOK_BYTES;
  }
}

const LOOK_BYTES = 4 * 1024 * 1024;
const BYTES_MAX = 512 * 1024 * 1024;

/** Of all projections of the process. */
export const keptBytes = new KeptBytes();
