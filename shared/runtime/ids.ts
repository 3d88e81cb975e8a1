/** Text forms of identifiers, from given time and bytes; both runtimes share them. */

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARACTERS = 10;

/** A ULID: 48 bits of milliseconds since the epoch and 80 random bits (10 bytes), 26 characters. */
export function ulidOf(timeMs: number, random: Uint8Array): string {
  let time = "";
  let rest = timeMs;
  for (let index = 0; index < TIME_CHARACTERS; index++) {
    time = CROCKFORD[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let text = time;
  let bits = 0;
  let held = 0;
  for (let index = 0; index < 10; index++) {
    held = (held << 8) | random[index]!;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += CROCKFORD[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return text;
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
