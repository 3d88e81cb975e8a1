const BRACE = 0x7b;
const BRACKET = 0x5b;
const BRACE_END = 0x7d;
const BRACKET_END = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const BLANK = 0x20;
/** What a brace has and a bracket has not. */
const CURLY = 0x20;

/**
 * The encoded value of a member of the encoded JSON object, or of the member's member; undefined
 * when there is none. Reads the bytes up to there and decodes nothing: an order of magnitude
 * quicker than decoding all of a large object. Names need no escapes in JSON. The bytes are taken
 * for valid JSON.
 */
export function memberOf(bytes: Buffer, name: string, member?: string): Buffer | undefined {
  let start = startOf(bytes, name, 0);
  if (member !== undefined && start >= 0) start = startOf(bytes, member, start);
  return start < 0 ? undefined : bytes.subarray(start, endOfValue(bytes, start));
}

/** Where the value of a member of the object that begins at `start` begins; -1: nowhere. */
function startOf(bytes: Buffer, name: string, start: number): number {
  if (bytes[start] !== BRACE) return -1;
  let index = start + 1;
  for (;;) {
    while (isBetween(bytes[index])) index += 1;
    if (bytes[index] !== QUOTE) return -1;
    const keyEnd = endOfString(bytes, index);
    const found = isText(bytes, index + 1, keyEnd - 1, name);
    index = keyEnd;
    while (isBetween(bytes[index])) index += 1;
    if (found) return index < bytes.length ? index : -1;
    index = endOfValue(bytes, index);
  }
}

function isBetween(byte: number | undefined): boolean {
  return byte === COMMA || byte === COLON || (byte !== undefined && byte <= BLANK);
}

function isText(bytes: Buffer, from: number, to: number, text: string): boolean {
  if (to - from !== text.length) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[from + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

/** Behind the closing quote of the string whose opening quote is at `start`. */
function endOfString(bytes: Buffer, start: number): number {
  let index = start + 1;
  while (index < bytes.length && bytes[index] !== QUOTE) {
    index += bytes[index] === BACKSLASH ? 2 : 1;
  }
  return index + 1;
}

function endOfValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  if (first === BRACE || first === BRACKET) return endOfStructure(bytes, start);
  let index = start;
  while (index < bytes.length) {
    const byte = bytes[index];
    if (byte === COMMA || byte === BRACE_END || byte === BRACKET_END) break;
    index += 1;
  }
  return index;
}

/** Most of the time of a search is spent here: nothing is called for each string. */
function endOfStructure(bytes: Buffer, start: number): number {
  const { length } = bytes;
  let depth = 0;
  for (let index = start; index < length; index += 1) {
    const byte = bytes[index] as number;
    if (byte === QUOTE) {
      for (index += 1; index < length && bytes[index] !== QUOTE; index += 1) {
        if (bytes[index] === BACKSLASH) index += 1;
      }
    } else if ((byte | CURLY) === BRACE) depth += 1;
    else if ((byte | CURLY) === BRACE_END) {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return length;
}
