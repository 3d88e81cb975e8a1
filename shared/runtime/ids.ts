/** Text forms of identifiers, from given time and bytes; both runtimes share them. */

/** Crockford's base 32. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_LENGTH = 10;
/** The time of the last ULID as text: most are made in the same millisecond as another. */
let lastTime = { timeMs: Number.NaN, text: "" };

/** A ULID from milliseconds since the epoch and 16 random bytes, one for each random character. */
export function ulidOf(timeMs: number, random: Uint8Array): string {
  if (timeMs !== lastTime.timeMs) lastTime = { timeMs, text: timeText(timeMs) };
  let { text } = lastTime;
  for (let index = 15; index >= 0; index--) text += DIGITS[random[index]! >> 3];
  return text;
}

function timeText(timeMs: number): string {
  let text = "";
  let rest = timeMs;
  for (let index = 0; index < TIME_LENGTH; index++) {
    text = DIGITS[rest % 32] + text;
    rest = Math.floor(rest / 32);
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
