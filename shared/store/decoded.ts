/** An entry as far as its decoded object is concerned. */
export interface Decodable {
  /** Bytes of the encoded object. */
  readonly size: number;
  /** The value of `DecodedObjects.age` when the decoded object was last used. */
  readonly usedAt: number;
  /** Lets go of the decoded object; the next use decodes it again. */
  release(): void;
}

/**
 * Which entries of a projection hold a decoded object, and a bound for them: decoded objects take
 * more memory than the encoded ones, and most are looked at once. Those that have not been used
 * while half the bound was decoded anew let go.
 */
export class DecodedObjects {
  readonly freeze: boolean;
  /** Grows whenever half the bound has been decoded. */
  age = 0;
  readonly #bytesMax: number;
  #young = new Set<Decodable>();
  #old = new Set<Decodable>();
  #youngBytes = 0;

  /** `bytesMax`: of the encoded objects. */
  constructor(options: { freeze: boolean; bytesMax: number }) {
    this.freeze = options.freeze;
    this.#bytesMax = options.bytesMax;
  }

  /** An entry has been decoded. */
  add(entry: Decodable): void {
    this.#young.add(entry);
    this.#youngBytes += entry.size;
    if (this.#youngBytes * 2 > this.#bytesMax) this.#turn();
  }

  /** An entry has let go of its object. */
  remove(entry: Decodable): void {
    if (this.#young.delete(entry)) this.#youngBytes -= entry.size;
    else this.#old.delete(entry);
  }

  #turn(): void {
    const before = this.#old;
    this.#old = this.#young;
    this.#young = new Set();
    this.#youngBytes = 0;
    for (const entry of before) {
      if (entry.usedAt === this.age) {
        this.#young.add(entry);
        this.#youngBytes += entry.size;
      } else {
        entry.release();
      }
    }
    this.age += 1;
  }
}
