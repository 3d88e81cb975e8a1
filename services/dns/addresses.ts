import { BlockList, isIP } from "node:net";

const V4_SUFFIX = ".in-addr.arpa";
const V6_SUFFIX = ".ip6.arpa";

/** The address that a name like `7.0.96.10.in-addr.arpa` stands for; undefined for other names. */
export function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith(V4_SUFFIX)) {
    const address = name.slice(0, -V4_SUFFIX.length).split(".").reverse().join(".");
    return isIP(address) === 4 ? address : undefined;
  }
  if (!name.endsWith(V6_SUFFIX)) return undefined;
  const digits = name.slice(0, -V6_SUFFIX.length).split(".").reverse().join("");
  if (!/^[0-9a-f]{32}$/.test(digits)) return undefined;
  return (digits.match(/.{4}/g) ?? []).join(":");
}

/** The name that stands for an IPv4 address the other way round. */
export function reverseName(address: string): string {
  return `${address.split(".").reverse().join(".")}${V4_SUFFIX}`;
}

/** Whether the address lies in the network (CIDR), or is that address, however it is written. */
export function networkHolds(network: string, address: string): boolean {
  const [base = "", bits] = network.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(base) !== family) return false;
  const list = new BlockList();
  const type = family === 4 ? "ipv4" : "ipv6";
  if (bits === undefined) list.addAddress(base, type);
  else list.addSubnet(base, Number(bits), type);
  return list.check(address, type);
}
