/** An IPv4 network. */
export interface Cidr {
  readonly text: string;
  /** First address, the network's own. */
  readonly first: number;
  readonly size: number;
}

/** @throws RangeError */
export function parseCidr(text: string): Cidr {
  const [address = "", length = ""] = text.split("/");
  const bits = Number(length);
  const base = addressToNumber(address);
  if (base === undefined || !/^[0-9]{1,2}$/.test(length) || bits > 32) {
    throw new RangeError(`not an IPv4 network: ${text}`);
  }
  const size = 2 ** (32 - bits);
  return { text, first: Math.floor(base / size) * size, size };
}

/** undefined when the text is no IPv4 address. */
export function addressToNumber(text: string): number | undefined {
  if (!/^([0-9]{1,3}\.){3}[0-9]{1,3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((number, part) => number * 256 + part, 0);
}

export function numberToAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** Whether the address can be somebody's: not the network's own, nor that of broadcasts. */
export function holds({ first, size }: Cidr, address: number): boolean {
  return address > first && address < first + size - 1;
}
