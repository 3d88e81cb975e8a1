import { afterAll, beforeAll, expect, test } from "vitest";
import { NatsBus } from "../../nats/bus.ts";
import { escapeToken } from "../../nats/subjects.ts";
import { NoResponderError } from "../../shared/actor/bus.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import type { StreamOpen } from "../../shared/streams/message.ts";
import { type NodeStream, openStream, serveStreams } from "../../shared/streams/stream.ts";
import { TestServer } from "../store/harness.ts";

const NODE = escapeToken("node.1");
const OPEN: StreamOpen = {
  operation: "portforward",
  namespace: "default",
  pod: "web",
  uid: "u",
  port: 80,
};
const runtime = liveRuntime();

let server: TestServer;
let apiserver: NatsBus;
let node: NatsBus;

beforeAll(async () => {
  server = await TestServer.start();
  apiserver = new NatsBus(await server.connect("apiserver"));
  node = new NatsBus(await server.connect("node-node.1"));
});

afterAll(() => server.stop());

async function serving(handler: (stream: NodeStream) => Promise<void>) {
  const subscription = serveStreams(node, runtime, `node.${NODE}.stream.*`, (_, accept) =>
    handler(accept()),
  );
  await node.flush();
  return subscription;
}

const open = () => openStream(apiserver, runtime, `node.${NODE}.stream.portforward`, OPEN);

test("megabytes go both ways under the node's own permissions", async () => {
  const subscription = await serving(async (stream) => {
    for await (const chunk of stream.read(0)) await stream.write(1, chunk);
  });
  const stream = await open();
  const total = 16 * 1024 * 1024;
  const chunk = Buffer.alloc(100_000, "abcdefg");
  const send = async () => {
    for (let sent = 0; sent < total; sent += chunk.length) await stream.write(0, chunk);
    await stream.end();
  };
  const sending = send();
  let received = 0;
  for await (const piece of stream.read(1)) received += piece.length;
  await sending;
  expect(received).toBe(Math.ceil(total / chunk.length) * chunk.length);
  expect(await stream.closed).toBeUndefined();
  subscription.stop();
});

test("nobody serves a node that is not there", async () => {
  const opening = openStream(apiserver, runtime, "node.none.stream.portforward", OPEN);
  await expect(opening).rejects.toBeInstanceOf(NoResponderError);
});

test("a server that dies takes its streams with it; new ones open on the next", async () => {
  const subscription = await serving(async (stream) => {
    await stream.write(1, "up");
    await stream.closed;
  });
  const stream = await open();
  const reader = stream.read(1);
  expect(Buffer.from((await reader.next()).value ?? []).toString()).toBe("up");
  await server.kill();
  expect(await stream.closed).toMatchObject({ message: "the peer is silent", remote: false });
  await server.startAgain();
  await expect
    .poll(
      () =>
        open().then(
          (one) =>
            one
              .read(1)
              .next()
              .then(() => one.abort("done") ?? "open"),
          String,
        ),
      {
        timeout: 20_000,
        interval: 200,
      },
    )
    .toBe("open");
  subscription.stop();
});
