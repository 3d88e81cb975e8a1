import type { Duplex } from "node:stream";
import type { Pod } from "../../../shared/api/generated/types.ts";
import { ERROR, STDIN, STDOUT } from "../../../shared/streams/channels.ts";
import type { NodeStream } from "../../../shared/streams/stream.ts";
import type { HandlerOptions } from "../http/handler.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import { RST } from "./spdy/frames.ts";
import { openPodStream, targetOf } from "./target.ts";

/**
 * Serves port-forward over SPDY: every forwarded connection is a pair of streams with the same
 * `requestid`, one for data and one for an error message. Resolves when the client is gone.
 */
export async function servePortForward(
  options: HandlerOptions,
  pod: Pod,
  socket: Duplex,
): Promise<void> {
  const waiting = new Map<string, SpdyStream>();
  const connection = new SpdyConnection(socket, (stream) => {
    const { streamtype: type, requestid: id = "", port = "" } = stream.headers;
    const number = Number(port);
    const isPort = Number.isInteger(number) && number > 0 && number < 65536;
    if ((type !== "data" && type !== "error") || !isPort) {
      stream.reset(RST.refusedStream);
      return;
    }
    void stream.accept();
    const other = waiting.get(`${id} ${port}`);
    if (other === undefined || other.headers["streamtype"] === type) {
      waiting.set(`${id} ${port}`, stream);
      return;
    }
    waiting.delete(`${id} ${port}`);
    const [data, error] = type === "data" ? [stream, other] : [other, stream];
    void forward(options, pod, number, data, error, connection);
  });
  await connection.closed;
}

async function forward(
  options: HandlerOptions,
  pod: Pod,
  port: number,
  data: SpdyStream,
  error: SpdyStream,
  connection: SpdyConnection,
): Promise<void> {
  let stream: NodeStream;
  try {
    stream = await openPodStream(options, pod, {
      operation: "portforward",
      ...targetOf(pod),
      port,
    });
  } catch (failure) {
    const why = failure instanceof Error ? failure.message : String(failure);
    await fail(error, pod, port, why);
    data.reset();
    return;
  }
  void connection.closed.then(() => stream.abort("the client is gone"));
  const upwards = async () => {
    for await (const chunk of data.read()) await stream.write(STDIN, chunk);
    stream.closeChannel(STDIN);
  };
  const downwards = async () => {
    for await (const chunk of stream.read(STDOUT)) await data.write(chunk);
    await data.end();
  };
  const messages = async () => {
    const all: Uint8Array[] = [];
    for await (const chunk of stream.read(ERROR)) all.push(chunk);
    return Buffer.concat(all).toString("utf8");
  };
  const sending = upwards();
  const [message] = await Promise.all([messages(), downwards()]);
  void stream.end();
  const broken = await stream.closed;
  const why = message || (broken?.remote === false ? "" : broken?.message);
  if (why) await fail(error, pod, port, why);
  await error.end();
  data.incoming.drop();
  await sending;
}

async function fail(error: SpdyStream, pod: Pod, port: number, why: string): Promise<void> {
  const text = `error forwarding port ${port} to pod ${pod.metadata.uid}, uid : ${why}`;
  await error.write(Buffer.from(text, "utf8"));
  await error.end();
}
