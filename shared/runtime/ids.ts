/** Text forms of identifiers, from given time and bytes; both runtimes share them. */
import { ulid } from "ulid";

/** A ULID from milliseconds since the epoch and 16 random bytes, one for each random character. */
export function ulidOf(timeMs: number, random: Uint8Array): string {
  let next = 0;
  return ulid(timeMs, () => random[next++]! / 256);
}

/** An RFC 4122 version 4 UUID from 16 random bytes. */
export function uuidOf(random: Uint8Array): string {
  let hex = "";
  for (let index = 0; index < 16; index++) {
    let byte = random[index]!;
    if (index === 6) byte = (byte & 0x0f) | 0x40;
    if (index === 8) byte = (byte & 0x3f) | 0x80;
    hex += (byte < 16 ? "0" : "") + byte.toString(16);
    if (index === 3 || index === 5 || index === 7 || index === 9) hex += "-";
  }
  return hex;
}
