/**
 * One connection to an API server: TLS and HTTP/1.1 without Node's HTTP client, which costs more
 * than many a request to the server under measurement.
 */
import { isIP } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { AnswerParser } from "./answer.ts";

export interface Target {
  /** https://host:port */
  readonly server: string;
  /** Absent: the system's authorities. */
  readonly ca?: string | undefined;
  /** Any certificate of the server will do. */
  readonly insecure?: boolean;
  /** What the server's certificate is for, if not for the host of `server`. */
  readonly serverName?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export class Answer {
  readonly code: number;
  readonly parts: readonly Buffer[];

  constructor(code: number, parts: readonly Buffer[]) {
    this.code = code;
    this.parts = parts;
  }

  get size(): number {
    return this.parts.reduce((sum, { length }) => sum + length, 0);
  }

  get body(): Buffer {
    return this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts);
  }
}

interface Waiting {
  answered(answer: Answer): void;
  failed(error: Error): void;
  /** Takes the parts of a body that does not end: a watch. */
  readonly stream?: (part: Buffer) => void;
}

const TIMEOUT_MS = 60_000;

/** One request at a time. */
export class Connection {
  readonly #socket: TLSSocket;
  #waiting: Waiting | undefined;
  #code = 0;
  #parts: Buffer[] = [];
  #failure: Error | undefined;
  /** Called once, when no request can be sent any more. */
  onclose: (reason: Error) => void = () => {};

  constructor(options: ConnectionOptions) {
    const parser = new AnswerParser({
      head: (code) => this.#head(code),
      data: (part) => this.#data(part),
      end: (last) => this.#end(last),
    });
    this.#socket = connect(options);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(TIMEOUT_MS, () => this.close(new Error("no answer in time")));
    this.#socket.on("data", (part: Buffer) => {
      try {
        parser.feed(part);
      } catch (error) {
        this.close(error as Error);
      }
    });
    this.#socket.on("error", (error) => this.close(error));
    this.#socket.on("close", () => this.close(new Error("connection closed by the server")));
  }

  get usable(): boolean {
    return this.#failure === undefined;
  }

  /** Rejects when the connection ends before the answer. */
  send(request: string): Promise<Answer> {
    return new Promise((answered, failed) => this.#begin(request, { answered, failed }));
  }

  /**
   * A request whose answer does not end. Resolves once with an empty answer when it is 200, and
   * with the whole answer when it is another one.
   */
  open(request: string, stream: (part: Buffer) => void): Promise<Answer> {
    this.#socket.setTimeout(0);
    return new Promise((answered, failed) => this.#begin(request, { answered, failed, stream }));
  }

  /** Idempotent. Fails the request under way. */
  close(reason: Error = new Error("connection closed")): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.#socket.destroy();
    this.#waiting?.failed(reason);
    this.#waiting = undefined;
    this.onclose(reason);
  }

  #begin(request: string, waiting: Waiting): void {
    if (this.#failure === undefined) {
      this.#waiting = waiting;
      this.#socket.write(request);
    } else waiting.failed(this.#failure);
  }

  #head(code: number): void {
    this.#code = code;
    this.#parts = [];
    const { stream, answered } = this.#waiting ?? {};
    if (stream !== undefined && code === 200) answered?.(new Answer(code, []));
  }

  #data(part: Buffer): void {
    const { stream } = this.#waiting ?? {};
    if (stream !== undefined && this.#code === 200) stream(part);
    else this.#parts.push(part);
  }

  #end(last: boolean): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (last || waiting?.stream !== undefined) this.close();
    waiting?.answered(new Answer(this.#code, this.#parts));
  }
}

/** How to reach a target, and what each request to it begins with behind its first line. */
export function reach(target: Target): { options: ConnectionOptions; headers: string } {
  const { ca, cert, key, token, insecure, serverName } = target;
  const { hostname, port, host } = new URL(target.server);
  const name = hostname.replace(/^\[|\]$/g, "");
  const servername = serverName ?? (isIP(name) === 0 ? name : undefined);
  const authorization = token === undefined ? "" : `Authorization: Bearer ${token}\r\n`;
  return {
    options: {
      host: name,
      port: Number(port || 443),
      ALPNProtocols: ["http/1.1"],
      rejectUnauthorized: insecure !== true,
      ...(servername !== undefined && { servername }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert, key }),
    },
    headers: `Host: ${host}\r\nAccept: application/json\r\n${authorization}`,
  };
}
