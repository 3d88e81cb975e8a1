import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";

export interface ApiAnswer {
  readonly code: number;
  readonly body: string;
}

const TIMEOUT_MS = 2_000;

/** The administrator's requests to the apiserver. */
export class ClusterApi {
  readonly #port: number;
  readonly #agent: Agent;

  constructor(data: string, port: number) {
    const file = (name: string) => readFileSync(join(data, "pki", name));
    this.#port = port;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 32,
      ca: file("ca.crt"),
      cert: file("admin.crt"),
      key: file("admin.key"),
    });
  }

  /** Rejects when there is no whole answer in time. */
  ask(method: string, path: string, body?: object): Promise<ApiAnswer> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: "127.0.0.1",
          port: this.#port,
          method,
          path,
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers:
            text === "" ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) },
        },
        (response) => {
          let answer = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            answer += part;
          });
          response.once("end", () => resolve({ code: response.statusCode ?? 0, body: answer }));
          response.once("error", reject);
          response.once("close", () => reject(new Error("the answer broke off")));
        },
      );
      call.once("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
      call.once("error", reject);
      call.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
