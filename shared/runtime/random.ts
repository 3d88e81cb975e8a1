import type { Random, RandomStream } from "./runtime.ts";

/**
 * Repeatable randomness: every named stream is its own generator (sfc32), seeded from the seed and
 * the name, so that a draw in one place never moves another place's numbers.
 */
export function seededRandom(seed: number, prefix = ""): Random {
  const streams = new Map<string, RandomStream>();
  return {
    stream(name) {
      let stream = streams.get(name);
      if (stream === undefined) {
        stream = seededStream(`${seed}/${prefix}${name}`);
        streams.set(name, stream);
      }
      return stream;
    },
  };
}

function seededStream(name: string): RandomStream {
  const draw = sfc32(name);
  const next = (): number => draw() / 2 ** 32;
  return {
    next,
    integer: (below) => Math.floor(next() * Math.max(below, 1)),
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let index = 0; index < length; index += 4) {
        const word = draw();
        for (let offset = 0; offset < 4 && index + offset < length; offset++) {
          bytes[index + offset] = word >>> (8 * offset);
        }
      }
      return bytes;
    },
  };
}

function sfc32(name: string): () => number {
  let a = hash32(name, 0x811c9dc5);
  let b = hash32(name, a ^ 0x9e3779b9);
  let c = hash32(name, b ^ 0x85ebca6b);
  let counter = 1;
  const draw = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    c |= 0;
    return result >>> 0;
  };
  // The first draws still resemble the seed; the mixing needs a few rounds.
  for (let round = 0; round < 12; round++) draw();
  return draw;
}

/** FNV-1a over the UTF-16 units, from a given start, so that chained calls give fresh words. */
export function hash32(text: string, start = 0x811c9dc5): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  // Finalizer: spreads the last characters over all bits, or similar names give similar numbers.
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
