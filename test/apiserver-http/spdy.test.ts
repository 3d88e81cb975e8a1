import { Duplex } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  SpdyConnection,
  type SpdyStream,
} from "../../services/apiserver/streams/spdy/connection.ts";
import { DICTIONARY } from "../../services/apiserver/streams/spdy/dictionary.ts";
import {
  encodeSpdyFrame,
  SpdyError,
  type SpdyFrame,
  SpdyFrameReader,
} from "../../services/apiserver/streams/spdy/frames.ts";
import { HeaderCoder } from "../../services/apiserver/streams/spdy/headers.ts";

const stream = fc.integer({ min: 1, max: 0x7fffffff });
const word = fc.integer({ min: 0, max: 0xffffffff });
const fin = fc.boolean();
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const frame: fc.Arbitrary<SpdyFrame> = fc.oneof(
  fc.record({ type: fc.constant("data" as const), stream, fin, payload: bytes }),
  fc.record({
    type: fc.constant("synStream" as const),
    stream,
    associated: stream,
    priority: fc.integer({ min: 0, max: 7 }),
    fin,
    unidirectional: fc.boolean(),
    block: bytes,
  }),
  fc.record({ type: fc.constant("synReply" as const), stream, fin, block: bytes }),
  fc.record({ type: fc.constant("headers" as const), stream, fin, block: bytes }),
  fc.record({ type: fc.constant("rstStream" as const), stream, status: word }),
  fc.record({
    type: fc.constant("settings" as const),
    values: fc.array(fc.record({ id: fc.integer({ min: 0, max: 0xffffff }), value: word }), {
      maxLength: 8,
    }),
  }),
  fc.record({ type: fc.constant("ping" as const), id: word }),
  fc.record({ type: fc.constant("goAway" as const), lastStream: stream, status: word }),
  fc.record({ type: fc.constant("windowUpdate" as const), stream, delta: stream }),
);

/** The bytes in pieces of the given sizes, over and over. */
function* pieces(all: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < all.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield all.subarray(at, at + size);
    at += size;
  }
}

test("frames survive encoding, in whatever pieces they arrive", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), sizes, (frames, cut) => {
      const reader = new SpdyFrameReader();
      const read: SpdyFrame[] = [];
      for (const piece of pieces(Buffer.concat(frames.map(encodeSpdyFrame)), cut)) {
        read.push(...reader.push(piece));
      }
      expect(read).toEqual(frames);
    }),
  );
});

test("random bytes are frames or an error, nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (random) => {
      try {
        for (const one of new SpdyFrameReader().push(Buffer.from(random))) {
          expect(one.type).toBeTypeOf("string");
        }
      } catch (error) {
        expect(error).toBeInstanceOf(SpdyError);
      }
    }),
  );
});

test("another version, and control frames beyond reason, are errors", () => {
  const version2 = Buffer.from([0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
  expect(() => [...new SpdyFrameReader().push(version2)]).toThrow("version 2 is not supported");
  const huge = Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]);
  expect(() => [...new SpdyFrameReader().push(huge)]).toThrow("too large");
  const short = Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 2, 0, 0]);
  expect(() => [...new SpdyFrameReader().push(short)]).toThrow("cut short");
});

test("the dictionary is the one that zlib knows by its checksum", () => {
  let [a, b] = [1, 0];
  for (const byte of DICTIONARY) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  expect(((b << 16) | a) >>> 0).toBe(0xe3c6a7c2);
});

test("header blocks go through one shared context, in order", async () => {
  const name = fc.stringMatching(/^[a-z-]{1,20}$/);
  const headers = fc.dictionary(name, fc.string({ maxLength: 3000 }), { maxKeys: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(headers, { minLength: 1, maxLength: 8 }), async (blocks) => {
      const [sender, receiver] = [new HeaderCoder(), new HeaderCoder()];
      for (const block of blocks) {
        expect({ ...(await receiver.decompress(await sender.compress(block))) }).toEqual({
          ...block,
        });
      }
      sender.close();
      receiver.close();
    }),
    { numRuns: 60 },
  );
});

test("large header blocks come through, huge ones and rubbish are errors", async () => {
  const [sender, receiver] = [new HeaderCoder(), new HeaderCoder()];
  const large = { "x-large": "a1".repeat(100_000) };
  expect({ ...(await receiver.decompress(await sender.compress(large))) }).toEqual(large);
  const huge = await sender.compress({ "x-huge": "0".repeat(3_000_000) });
  await expect(receiver.decompress(huge)).rejects.toThrow("too large");
  await expect(receiver.decompress(huge)).rejects.toThrow("too large");
  await expect(new HeaderCoder().decompress(Buffer.from("rubbish"))).rejects.toThrow(SpdyError);
});

/** Two ends of a connection in memory. */
function pair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        setImmediate(() => {
          other().push(chunk);
          done();
        });
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const first: Duplex = make(() => second);
  const second: Duplex = make(() => first);
  return [first, second];
}

/** A client that writes frames and gathers those that come. */
async function client(onStream: (stream: SpdyStream) => void) {
  const [near, far] = pair();
  const connection = new SpdyConnection(far, onStream);
  const coder = new HeaderCoder();
  const reader = new SpdyFrameReader();
  const frames: SpdyFrame[] = [];
  near.on("data", (chunk: Buffer) => frames.push(...reader.push(chunk)));
  near.on("error", () => undefined);
  near.on("end", () => near.end());
  const send = (one: SpdyFrame) => near.write(encodeSpdyFrame(one));
  const open = async (id: number, headers: Record<string, string>, ending = false) => {
    const block = await coder.compress(headers);
    send({
      type: "synStream",
      stream: id,
      associated: 0,
      priority: 0,
      fin: ending,
      unidirectional: false,
      block,
    });
  };
  return { near, connection, frames, send, open };
}

test("streams are opened, answered, written, ended; pings come back", async () => {
  const { frames, connection, send, open } = await client((one) => {
    void (async () => {
      await one.accept();
      for await (const chunk of one.read()) await one.write(Buffer.from(chunk).reverse());
      one.end();
    })();
  });
  await open(1, { streamtype: "data" });
  send({ type: "data", stream: 1, fin: false, payload: Buffer.from("abc") });
  send({ type: "ping", id: 7 });
  send({ type: "data", stream: 1, fin: true, payload: Buffer.from("def") });
  await expect.poll(() => frames.some((one) => one.type === "data" && one.fin)).toBe(true);
  const data = frames.flatMap((one) => (one.type === "data" ? [one.payload] : []));
  expect(Buffer.concat(data).toString()).toBe("cbafed");
  expect(frames.map(({ type }) => type)).toContain("synReply");
  expect(frames).toContainEqual({ type: "ping", id: 7 });
  expect(frames).toContainEqual({ type: "windowUpdate", stream: 1, delta: 3 });
  await connection.close();
  await connection.closed;
  expect(frames.at(-1)).toEqual({ type: "goAway", lastStream: 1, status: 0 });
});

test("a reset ends the stream's reader, a lost connection ends all", async () => {
  const over: number[] = [];
  const { near, connection, send, open } = await client((one) => {
    void (async () => {
      for await (const _ of one.read());
      over.push(one.id);
    })();
  });
  await open(1, {});
  await open(3, {});
  send({ type: "rstStream", stream: 1, status: 5 });
  await expect.poll(() => over).toEqual([1]);
  near.end();
  await connection.closed;
  await expect.poll(() => over).toEqual([1, 3]);
});

test("stream ids that are used or not the client's are refused", async () => {
  const { frames, open } = await client(() => undefined);
  await open(3, {});
  await open(3, {});
  await open(4, {});
  await expect.poll(() => frames.length).toBe(2);
  expect(frames).toEqual([
    { type: "rstStream", stream: 3, status: 3 },
    { type: "rstStream", stream: 4, status: 3 },
  ]);
});

test("an unread stream stops the connection from being read", async () => {
  let unread: SpdyStream | undefined;
  const { near, send, open } = await client((one) => {
    unread = one;
  });
  await open(1, {});
  const payload = Buffer.alloc(64 * 1024);
  for (let i = 0; i < 64; i++) send({ type: "data", stream: 1, fin: i === 63, payload });
  await expect.poll(() => unread !== undefined).toBe(true);
  let taken = 0;
  for await (const chunk of unread?.read() ?? []) taken += chunk.length;
  expect(taken).toBe(64 * payload.length);
  near.destroy();
});
