import type { PortConnection } from "../runtimes/runtime.ts";
import { connectSpdy, type SpdyConnection, type SpdyStream } from "./spdy.ts";

const PROTOCOL = "portforward.k8s.io";

/** Opens the streaming URL that the runtime answered to PortForward, for one connection. */
export async function openPortForward(
  url: string,
  port: number,
  after: (ms: number, run: () => void) => () => void,
): Promise<PortConnection> {
  const connection = await connectSpdy(url, PROTOCOL, after);
  const headers = { port: String(port), requestID: "0" };
  const error = await connection.open({ streamType: "error", ...headers });
  error.end();
  const data = await connection.open({ streamType: "data", ...headers });
  return new SpdyPortConnection(connection, data, error);
}

class SpdyPortConnection implements PortConnection {
  readonly ended: Promise<string | undefined>;
  readonly #connection: SpdyConnection;
  readonly #data: SpdyStream;

  constructor(connection: SpdyConnection, data: SpdyStream, error: SpdyStream) {
    this.#connection = connection;
    this.#data = data;
    this.ended = readAll(error);
  }

  read(): AsyncIterable<Uint8Array> {
    return this.#data.read();
  }

  write(data: Uint8Array): Promise<void> {
    return this.#data.write(data);
  }

  end(): void {
    this.#data.end();
  }

  close(): void {
    this.#connection.close();
  }
}

/** The error stream ends without a word when all went well. */
async function readAll(error: SpdyStream): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of error.read()) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8") || undefined;
}
