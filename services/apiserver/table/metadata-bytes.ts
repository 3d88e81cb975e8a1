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
  let quoted = false;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (quoted) {
      if (byte === QUOTE) quoted = false;
      else if (byte === BACKSLASH) index++;
    } else if (byte === QUOTE) {
      quoted = true;
    } else if (byte === OPEN) {
      depth++;
    } else if (byte === CLOSE && --depth === 0) {
      return bytes.subarray(start, index + 1);
    }
  }
  throw new TypeError("an object that does not end");
}
