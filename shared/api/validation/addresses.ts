import { isIP } from "node:net";
import type { Findings } from "./findings.ts";

/** 4 or 6; 0 when it is no address. Octets with leading zeros are tolerated, as ever. */
export function addressFamily(text: string): 0 | 4 | 6 {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) {
    const plain = text.replace(/(^|\.)0+(?=\d)/g, "$1");
    return isIP(plain) === 4 ? 4 : 0;
  }
  const family = text.includes("%") ? 0 : isIP(text);
  return family === 6 && /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(text) ? 4 : (family as 0 | 4 | 6);
}

export function validateAddress(found: Findings, field: string, text: string): void {
  if (addressFamily(text)) return;
  found.invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

export function isBlock(text: string): boolean {
  const [address, bits, ...more] = text.split("/");
  const family = addressFamily(address ?? "");
  if (!family || more.length || !bits || !/^\d{1,3}$/.test(bits)) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}

export function validateBlock(found: Findings, field: string, text: string): void {
  if (isBlock(text)) return;
  found.invalid(field, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

/** Exactly two addresses (or blocks), one of each family. */
export function isDualStack(addresses: readonly string[]): boolean {
  const families = addresses.map((address) => addressFamily(address.split("/")[0] as string));
  return families.includes(4) && families.includes(6);
}

/** Endpoints and external addresses are not of this host, this link, or nobody's. */
export function validateReachable(found: Findings, field: string, text: string): void {
  const family = addressFamily(text);
  if (!family) {
    found.invalid(field, text, "must be a valid IP address");
    return;
  }
  const plain = text.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
  const v4 = family === 4 ? plain.split(".").map(Number) : [];
  const first = family === 6 ? firstGroup(plain) : 0;
  if (v4.length ? v4.every((octet) => octet === 0) : isAllZero(plain)) {
    found.invalid(field, text, `may not be unspecified (${text})`);
  }
  if (v4.length ? v4[0] === 127 : isLoopback6(plain)) {
    found.invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (v4.length ? v4[0] === 169 && v4[1] === 254 : (first & 0xffc0) === 0xfe80) {
    found.invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (v4.length ? v4[0] === 224 && !v4[1] && !v4[2] : (first & 0xff0f) === 0xff02) {
    const range = "(224.0.0.0/24, ff02::/10)";
    found.invalid(field, text, `may not be in the link-local multicast range ${range}`);
  }
}

function firstGroup(v6: string): number {
  return Number.parseInt(v6.split(":")[0] || "0", 16);
}

function isAllZero(v6: string): boolean {
  return /^[0:]+$/.test(v6);
}

function isLoopback6(v6: string): boolean {
  return /^[0:]*:0*1$/.test(v6);
}
