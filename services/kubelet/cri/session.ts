import type { StatusBody } from "../../../shared/actor/api.ts";
import type { ContainerSession, SessionOptions } from "../runtimes/runtime.ts";
import { connectSpdy, type SpdyConnection, type SpdyStream } from "./spdy.ts";

const PROTOCOL = "v4.channel.k8s.io";

/**
 * Opens the streaming URL that the runtime answered to Exec or Attach. It is good for one
 * connection. @throws RuntimeError.
 */
export async function openSession(
  url: string,
  options: SessionOptions,
  after: (ms: number, run: () => void) => () => void,
): Promise<ContainerSession> {
  const connection = await connectSpdy(url, PROTOCOL, after);
  // The runtime waits for exactly the streams that were asked for, in any order.
  const error = await connection.open({ streamType: "error" });
  const wanted = (name: string, when: boolean): Promise<SpdyStream | undefined> =>
    when ? connection.open({ streamType: name }) : Promise.resolve(undefined);
  const stdin = await wanted("stdin", options.stdin);
  const stdout = await wanted("stdout", options.stdout);
  const stderr = await wanted("stderr", options.stderr && !options.tty);
  const resize = await wanted("resize", options.tty);
  return new SpdySession(connection, error, { stdin, stdout, stderr, resize });
}

interface SessionStreams {
  readonly stdin: SpdyStream | undefined;
  readonly stdout: SpdyStream | undefined;
  readonly stderr: SpdyStream | undefined;
  readonly resize: SpdyStream | undefined;
}

interface OutputChunk {
  readonly channel: "stdout" | "stderr";
  readonly data: Uint8Array;
}

class SpdySession implements ContainerSession {
  readonly ended: Promise<StatusBody>;
  readonly #connection: SpdyConnection;
  readonly #streams: SessionStreams;

  constructor(connection: SpdyConnection, error: SpdyStream, streams: SessionStreams) {
    this.#connection = connection;
    this.#streams = streams;
    error.end();
    this.ended = readStatus(error);
  }

  async *read(): AsyncIterable<OutputChunk> {
    const sources = [
      iteratorOf("stdout", this.#streams.stdout),
      iteratorOf("stderr", this.#streams.stderr),
    ].filter((source) => source !== undefined);
    const next: (Promise<Advanced> | undefined)[] = sources.map(advance);
    while (next.some((pending) => pending !== undefined)) {
      const result = await Promise.race(next.filter((pending) => pending !== undefined));
      const index = sources.indexOf(result.source);
      if (result.data === undefined) next[index] = undefined;
      else {
        yield { channel: result.source.channel, data: result.data };
        next[index] = advance(result.source);
      }
    }
  }

  async write(data: Uint8Array): Promise<void> {
    await this.#streams.stdin?.write(data);
  }

  closeStdin(): void {
    this.#streams.stdin?.end();
  }

  resize(width: number, height: number): void {
    void this.#streams.resize?.write(Buffer.from(JSON.stringify({ Width: width, Height: height })));
  }

  close(): void {
    this.#connection.close();
  }
}

interface Source {
  readonly channel: "stdout" | "stderr";
  readonly iterator: AsyncIterator<Buffer>;
}

function iteratorOf(
  channel: Source["channel"],
  stream: SpdyStream | undefined,
): Source | undefined {
  return stream && { channel, iterator: stream.read()[Symbol.asyncIterator]() };
}

interface Advanced {
  readonly source: Source;
  readonly data: Buffer | undefined;
}

async function advance(source: Source): Promise<Advanced> {
  const { value, done } = await source.iterator.next();
  return { source, data: done ? undefined : value };
}

/** The status arrives when the command has ended; the connection's end without it is a failure. */
async function readStatus(error: SpdyStream): Promise<StatusBody> {
  const chunks: Buffer[] = [];
  for await (const chunk of error.read()) {
    chunks.push(chunk);
    const status = parseStatus(Buffer.concat(chunks));
    if (status) return status;
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return failure(text || "the connection to the container ended unexpectedly");
}

function parseStatus(payload: Buffer): StatusBody | undefined {
  try {
    return JSON.parse(payload.toString("utf8")) as StatusBody;
  } catch {
    return undefined;
  }
}

function failure(message: string): StatusBody {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: "InternalError",
    code: 500,
  };
}
