/** A load generator's client of a Kubernetes API server: HTTPS, keep-alive, JSON. */
import { Agent, type RequestOptions, request } from "node:https";

export interface Target {
  /** https://host:port */
  readonly server: string;
  readonly ca: string | undefined;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

export interface Answer {
  readonly code: number;
  readonly body: Buffer;
}

const TIMEOUT_MS = 60_000;

export class Client {
  readonly target: Target;
  readonly #agent: Agent;
  readonly #options: RequestOptions;

  constructor(target: Target, connections: number) {
    this.target = target;
    const { server, ca, cert, key, token } = target;
    const { hostname, port } = new URL(server);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: "lifo" });
    this.#options = {
      host: hostname,
      port: port || 443,
      ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
      ...(cert !== undefined && { cert, key }),
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    };
  }

  /** Any answer of the server; rejects when there is none. */
  send(method: string, path: string, body?: string, contentType = JSON_TYPE): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = {
        ...(this.#options.headers as Record<string, string>),
        Accept: JSON_TYPE,
      };
      if (body !== undefined) {
        headers["Content-Type"] = contentType;
        headers["Content-Length"] = Buffer.byteLength(body);
      }
      const options = { ...this.#options, method, path, headers, agent: this.#agent };
      const call = request({ ...options, timeout: TIMEOUT_MS }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const whole = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
          resolve({ code: response.statusCode ?? 0, body: whole });
        });
      });
      call.on("timeout", () => call.destroy(new Error(`${method} ${path}: no answer`)));
      call.on("error", reject);
      call.end(body);
    });
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

  /** Opens a watch on a connection of its own. Resolves when the server has answered. */
  watch(path: string, line: (text: Buffer) => void): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const headers = { ...(this.#options.headers as Record<string, string>), Accept: JSON_TYPE };
      const call = request({ ...this.#options, path, headers, agent: false }, (response) => {
        if (response.statusCode !== 200) {
          reject(new Error(`watch ${path}: ${response.statusCode}`));
          call.destroy();
          return;
        }
        response.on("data", splitLines(line));
        response.on("error", () => {});
        resolve(() => call.destroy());
      });
      call.on("error", reject);
      call.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

const JSON_TYPE = "application/json";
export const MERGE_PATCH = "application/merge-patch+json";
const NEWLINE = 10;

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
