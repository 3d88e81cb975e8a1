const METADATA = Buffer.from('"metadata":{');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * The bytes of an encoded object's metadata, braces included, without a copy. The object is in the
 * form that projections serve: kind and apiVersion, then metadata.
 */
export function metadataBytes(bytes: Buffer): Buffer {
  const start = bytes.indexOf(METADATA) + METADATA.length - 1;
  if (start < METADATA.length - 1) throw new TypeError("an object without metadata");
  let depth = 0;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) index = endOfString(bytes, index);
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return bytes.subarray(start, index + 1);
  }
  throw new TypeError("an object that does not end");
}

/** The index of the quote that closes the string that begins at `start`. */
function endOfString(bytes: Buffer, start: number): number {
  let end = bytes.indexOf(QUOTE, start + 1);
  while (end > 0 && isEscaped(bytes, end)) end = bytes.indexOf(QUOTE, end + 1);
  return end < 0 ? bytes.length : end;
}

function isEscaped(bytes: Buffer, quote: number): boolean {
  let backslashes = 0;
  while (bytes[quote - 1 - backslashes] === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
