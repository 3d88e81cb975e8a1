import fc from "fast-check";
import { expect, test } from "vitest";
import { NoResponderError } from "../../shared/actor/bus.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../shared/streams/frame.ts";
import type { StreamOpen } from "../../shared/streams/message.ts";
import {
  type NodeStream,
  openStream,
  STREAM_SILENCE_MS,
  StreamRefusedError,
  serveStreams,
} from "../../shared/streams/stream.ts";
import { ManualRuntime } from "./manual-runtime.ts";
import { MemoryBus } from "./memory-bus.ts";

const SUBJECT = "node.node-1.stream.exec";
const OPEN: StreamOpen = {
  operation: "exec",
  namespace: "default",
  pod: "web-1",
  uid: "u-1",
  container: "web",
  command: ["sh"],
  stdin: true,
  stdout: true,
  stderr: true,
  tty: false,
};

function fixture(handler: (stream: NodeStream, open: StreamOpen) => Promise<void>) {
  const bus = new MemoryBus();
  const runtime = new ManualRuntime();
  const server = serveStreams(bus, runtime, "node.node-1.stream.*", (open, accept) =>
    handler(accept(), open),
  );
  const open = (window = 1024) => openStream(bus, runtime, SUBJECT, OPEN, { window });
  return { bus, runtime, server, open };
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString("utf8");
}

/** Lets everything that can go on without a timer go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("bytes go both ways, channels close, both ends end", async () => {
  const { open, runtime } = fixture(async (stream, request) => {
    expect(request).toEqual(OPEN);
    const input = await text(stream.read(0));
    await stream.write(1, input.toUpperCase());
    await stream.write(3, "{}");
  });
  const stream = await open();
  await stream.write(0, "hello ");
  await stream.write(0, "node");
  stream.closeChannel(0);
  expect(await text(stream.read(1))).toBe("HELLO NODE");
  expect(await text(stream.read(3))).toBe("{}");
  await stream.end();
  expect(await stream.closed).toBeUndefined();
  await settle();
  expect(runtime.pending).toBe(0);
});

test("a writer stops at the window of its channel; other channels go on", async () => {
  let sent = 0;
  const { open } = fixture(async (stream) => {
    for (let i = 0; i < 10; i++) {
      await stream.write(1, Buffer.alloc(1000, i));
      sent += 1000;
    }
    stream.closeChannel(1);
    await text(stream.read(0));
  });
  const stream = await open(4096);
  await settle();
  expect(sent).toBe(4000);
  await stream.write(4, '{"Width":80,"Height":24}');
  const output = stream.read(1);
  await output.next();
  await output.next();
  await output.next();
  await settle();
  expect(sent).toBeGreaterThan(4000);
  let rest = 0;
  for await (const chunk of output) rest += chunk.length;
  expect(rest + 3000).toBe(10_000);
  await stream.end();
  expect(await stream.closed).toBeUndefined();
});

test("the sum of what was sent arrives in order, whatever the sizes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(0, 4), fc.uint8Array({ maxLength: 3000 })), {
        maxLength: 20,
      }),
      async (writes) => {
        const { open } = fixture(async (stream) => {
          const echo = async (from: number, to: number) => {
            for await (const chunk of stream.read(from)) await stream.write(to, chunk);
            stream.closeChannel(to);
          };
          await Promise.all([echo(0, 1), echo(4, 2)]);
        });
        const stream = await open(1024);
        const received = Promise.all([text(stream.read(1)), text(stream.read(2))]);
        await Promise.all(writes.map(([channel, data]) => stream.write(channel, data)));
        await stream.end();
        const expected = [0, 4].map((channel) =>
          Buffer.concat(writes.filter(([to]) => to === channel).map(([, data]) => data)).toString(
            "utf8",
          ),
        );
        expect(await received).toEqual(expected);
        expect(await stream.closed).toBeUndefined();
      },
    ),
    { numRuns: 50 },
  );
});

test("abort reaches the other end at once and frees its writer", async () => {
  let ended: unknown;
  const { open } = fixture(async (stream) => {
    await stream.write(1, Buffer.alloc(100_000));
    ended = await stream.closed;
  });
  const stream = await open();
  stream.abort("client is gone");
  await settle();
  expect(ended).toEqual({ message: "client is gone", remote: true });
  expect(await stream.closed).toEqual({ message: "client is gone", remote: false });
  expect(await text(stream.read(1))).toBe("");
});

test("a handler that fails aborts with its message", async () => {
  const { open } = fixture(async () => {
    throw new TypeError("runtime is gone");
  });
  const stream = await open();
  expect(await stream.closed).toEqual({ message: "runtime is gone", remote: true });
});

test("a handler that refuses answers with its Status", async () => {
  const bus = new MemoryBus();
  const runtime = new ManualRuntime();
  const status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "container not found",
    code: 404,
  } as const;
  serveStreams(bus, runtime, "node.node-1.stream.*", async () => {
    throw new StreamRefusedError(status);
  });
  const failure = await openStream(bus, runtime, SUBJECT, OPEN).catch((error) => error);
  expect(failure).toBeInstanceOf(StreamRefusedError);
  expect(failure.status).toEqual(status);
  expect(runtime.pending).toBe(0);
});

test("without an agent the request fails at once", async () => {
  const opening = openStream(new MemoryBus(), new ManualRuntime(), SUBJECT, OPEN);
  await expect(opening).rejects.toBeInstanceOf(NoResponderError);
});

test.each([
  ["malformed", Buffer.from("{")],
  ["unknown operation", openWith({ open: { ...OPEN, operation: "reboot" } })],
  ["missing uid", openWith({ open: { ...OPEN, uid: "" } })],
  ["subjects of another node", openWith({ subjects: "stream.node-2.0000000001" })],
  ["a window beyond reason", openWith({ window: 1e12 })],
])("an open message that is %s is refused", async (_, data) => {
  const { bus } = fixture(async () => {
    throw new Error("must not be called");
  });
  const answer = await bus.request(SUBJECT, data, 1000);
  const body = JSON.parse(Buffer.from(answer.data).toString());
  expect(body.accepted).toBe(false);
  expect(body.status.code).toBe(500);
});

function openWith(change: Record<string, unknown>): Buffer {
  const message = { subjects: "stream.node-1.0000000001", window: 1024, open: OPEN, ...change };
  return Buffer.from(JSON.stringify(message));
}

test("a silent peer is noticed on both sides; a living one is not", async () => {
  let ended: unknown;
  const { bus, runtime, open } = fixture(async (stream) => {
    ended = await stream.closed;
  });
  const stream = await open();
  for (let i = 0; i < 100; i++) {
    runtime.advance(500);
    await settle();
  }
  expect(ended).toBeUndefined();
  bus.lose = (subject) => subject.startsWith("stream.");
  for (let i = 0; i <= STREAM_SILENCE_MS / 500; i++) {
    runtime.advance(500);
    await settle();
  }
  expect(ended).toEqual({ message: "the peer is silent", remote: false });
  expect(await stream.closed).toEqual({ message: "the peer is silent", remote: false });
  expect(runtime.pending).toBe(0);
});

test("a lost message aborts the stream instead of leaving a hole", async () => {
  const { bus, open } = fixture(async (stream) => void (await stream.closed));
  const stream = await open();
  let count = 0;
  bus.lose = (subject) => subject.endsWith(".up") && ++count === 2;
  await stream.write(0, "one");
  await stream.write(0, "two");
  await stream.write(0, "three");
  expect(await stream.closed).toEqual({ message: "a message was lost", remote: true });
});

test("a peer that overruns the window, or sends rubbish, is cut off", async () => {
  const { bus, open } = fixture(async (stream) => void (await stream.closed));
  const stream = await open(1024);
  const down = "stream.node-1.00000000000000000000000001.down";
  bus.publish(
    down,
    encodeFrame({ type: "data", seq: 0, channel: 1, payload: new Uint8Array(2000) }),
  );
  expect(await stream.closed).toEqual({ message: "window exceeded", remote: false });
  const second = await open(1024);
  bus.publish(down.replace("01.down", "02.down"), Buffer.from([9, 0, 0, 0, 0]));
  expect(await second.closed).toMatchObject({ message: "unknown frame type 9" });
});

test("frames survive encoding", () => {
  const seq = fc.nat();
  const channel = fc.integer({ min: 0, max: 255 });
  const frame: fc.Arbitrary<Frame> = fc.oneof(
    fc.record({ type: fc.constant("data" as const), seq, channel, payload: fc.uint8Array() }),
    fc.record({
      type: fc.constant("credit" as const),
      seq,
      channel,
      consumed: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    }),
    fc.record({ type: fc.constant("end" as const), seq }),
    fc.record({ type: fc.constant("abort" as const), seq, message: fc.string() }),
    fc.record({ type: fc.constant("beat" as const), seq }),
  );
  fc.assert(
    fc.property(frame, (one) => {
      const decoded = decodeFrame(encodeFrame(one));
      if (decoded.type === "data") {
        expect({ ...decoded, payload: Uint8Array.from(decoded.payload) }).toEqual(one);
      } else expect(decoded).toEqual(one);
    }),
  );
});
