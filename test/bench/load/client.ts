/** A load generator's client of a Kubernetes API server: HTTPS, keep-alive, JSON. */
import { createSecureContext } from "node:tls";
import { Answer, Connection, reach, type Target } from "./connection.ts";

export { Answer, type Target };

const JSON_TYPE = "application/json";
export const MERGE_PATCH = "application/merge-patch+json";
const NEWLINE = 10;

export class Client {
  readonly target: Target;
  readonly #reach: ReturnType<typeof reach>;
  readonly #most: number;
  readonly #idle: Connection[] = [];
  readonly #queue: ((connection: Connection) => void)[] = [];
  readonly #all = new Set<Connection>();

  /** Opens at most so many connections; more requests wait for one. Watches have their own. */
  constructor(target: Target, connections: number) {
    this.target = target;
    const { options, headers } = reach(target);
    // Once for all: reading certificates costs more than a handshake.
    const secureContext = createSecureContext(options);
    this.#reach = { options: { ...options, secureContext }, headers };
    this.#most = connections;
  }

  /** Any answer of the server; rejects when there is none. */
  async send(
    method: string,
    path: string,
    body?: string,
    contentType = JSON_TYPE,
  ): Promise<Answer> {
    let head = `${method} ${path} HTTP/1.1\r\n${this.#reach.headers}`;
    if (body !== undefined) {
      head += `Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    }
    const connection = this.#idle.pop() ?? (await this.#connection());
    try {
      return await connection.send(`${head}\r\n${body ?? ""}`);
    } catch (error) {
      throw new Error(`${method} ${path}: ${(error as Error).message}`);
    } finally {
      this.#release(connection);
    }
  }

  /** An answer of the class 2xx. @throws Error with what the server said instead */
  async ok(method: string, path: string, body?: object, contentType?: string): Promise<Answer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await this.send(method, path, text, contentType);
    if (answer.code < 300) return answer;
    throw new Error(`${method} ${path}: ${answer.code} ${answer.body.toString().slice(0, 300)}`);
  }

  async json<Shape>(path: string): Promise<Shape> {
    return JSON.parse((await this.ok("GET", path)).body.toString()) as Shape;
  }

  /**
   * Opens a watch on a connection of its own. Resolves when the server has answered. `ended`: the
   * server, not the caller, has ended it.
   */
  async watch(
    path: string,
    line: (text: Buffer) => void,
    ended: (reason: Error) => void = () => {},
  ): Promise<() => void> {
    const connection = new Connection(this.#reach.options);
    const request = `GET ${path} HTTP/1.1\r\n${this.#reach.headers}\r\n`;
    const answer = await connection.open(request, splitLines(line));
    if (answer.code !== 200) {
      connection.close();
      throw new Error(`watch ${path}: ${answer.code} ${answer.body.toString().slice(0, 300)}`);
    }
    if (connection.usable) connection.onclose = ended;
    else ended(new Error("ended at once"));
    return () => {
      connection.onclose = () => {};
      connection.close();
    };
  }

  /** Ends the connections of requests; the next ones open new ones. */
  close(): void {
    for (const connection of this.#all) connection.close();
  }

  #connection(): Promise<Connection> | Connection {
    if (this.#all.size >= this.#most) {
      return new Promise((resolve) => this.#queue.push(resolve));
    }
    const connection = new Connection(this.#reach.options);
    this.#all.add(connection);
    connection.onclose = () => {
      this.#all.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) this.#idle.splice(at, 1);
    };
    return connection;
  }

  #release(connection: Connection): void {
    const next = this.#queue.shift();
    if (next === undefined) {
      if (connection.usable) this.#idle.push(connection);
    } else if (connection.usable) next(connection);
    else void Promise.resolve(this.#connection()).then(next);
  }
}

function splitLines(line: (text: Buffer) => void): (part: Buffer) => void {
  let rest: Buffer[] = [];
  return (part) => {
    let start = 0;
    for (let end = part.indexOf(NEWLINE); end >= 0; end = part.indexOf(NEWLINE, start)) {
      const last = part.subarray(start, end);
      line(rest.length === 0 ? last : Buffer.concat([...rest, last]));
      rest = [];
      start = end + 1;
    }
    if (start < part.length) rest.push(part.subarray(start));
  };
}
