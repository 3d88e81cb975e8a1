/**
 * IPv4 addresses out of one block, handed out round and round so that an address rests before it is
 * used again.
 */
export class AddressPool {
  readonly #first: number;
  readonly #size: number;
  readonly #used = new Set<string>();
  #cursor = 0;

  /** `network` as `10.244.3.0/24`. The first two addresses and the last stay unused. */
  constructor(network: string) {
    const [address, prefix] = network.split("/");
    const length = Number(prefix);
    if (!address || !(length >= 8 && length <= 29))
      throw new TypeError(`not a network: ${network}`);
    this.#size = 2 ** (32 - length) - 3;
    this.#first = addressNumber(address) + 2;
  }

  /** Marks an address found in use. */
  take(address: string): void {
    this.#used.add(address);
  }

  /** A free address. @throws when none is left. */
  allocate(): string {
    for (let tried = 0; tried < this.#size; tried++) {
      const address = addressText(this.#first + this.#cursor);
      this.#cursor = (this.#cursor + 1) % this.#size;
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      return address;
    }
    throw new RangeError("no pod address is left on the node");
  }

  release(address: string): void {
    this.#used.delete(address);
  }
}

/** `10.0.0.1` as a number. */
export function addressNumber(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

/** The number as `10.0.0.1`. */
export function addressText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
