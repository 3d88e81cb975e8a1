import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { RunningCluster } from "../kubectl/cluster.ts";

export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** The administrator's requests to the apiserver, each on a connection of its own. */
export class Api {
  readonly #files: { ca: Buffer; cert: Buffer; key: Buffer };
  readonly #port: number;

  constructor(cluster: RunningCluster) {
    const file = (name: string) => readFileSync(join(cluster.data, "pki", name));
    this.#files = { ca: file("ca.crt"), cert: file("admin.crt"), key: file("admin.key") };
    this.#port = cluster.port;
  }

  /** Rejects when there is no whole answer within the time. */
  ask(method: string, path: string, body?: object, timeoutMs: number = 2_000): Promise<Answer> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    return new Promise((resolve, reject) => {
      const call = request({
        host: "127.0.0.1",
        port: this.#port,
        method,
        path,
        agent: false,
        ...this.#files,
        headers: text === "" ? {} : { "content-type": type, "content-length": text.length },
      });
      const timer = setTimeout(() => call.destroy(new Error("no answer in time")), timeoutMs);
      const failed = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      call.once("error", failed);
      call.once("response", (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          answer += part;
        });
        response.once("error", failed);
        response.once("end", () => {
          clearTimeout(timer);
          resolve({ code: response.statusCode ?? 0, text: answer });
        });
      });
      call.end(text);
    });
  }

  /** Asks again until the answer is a success. @throws Error with the last reason. */
  async insist(method: string, path: string, body?: object, withinMs = 20_000): Promise<string> {
    const deadline = performance.now() + withinMs;
    let last = "";
    while (performance.now() < deadline) {
      try {
        const { code, text } = await this.ask(method, path, body);
        // Asked again, what was done already exists.
        if (code < 300 || (method === "POST" && code === 409)) return text;
        last = `${code} ${text}`;
      } catch (error) {
        last = (error as Error).message;
      }
      await pause(10);
    }
    throw new Error(`${method} ${path} did not succeed in ${withinMs} ms: ${last}`);
  }

  /** Asks for an object until it is as wanted; the time it took is the caller's to know. */
  async until(
    path: string,
    wanted: (object: Observed) => boolean,
    withinMs = 30_000,
  ): Promise<void> {
    const deadline = performance.now() + withinMs;
    let last = "";
    while (performance.now() < deadline) {
      try {
        const { code, text } = await this.ask("GET", path);
        last = text;
        if (code === 200 && wanted(JSON.parse(text) as Observed)) return;
      } catch (error) {
        last = (error as Error).message;
      }
      await pause(15);
    }
    throw new Error(`${path} did not become as wanted in ${withinMs} ms: ${last}`);
  }
}

export interface Observed {
  readonly metadata: { readonly generation?: number };
  readonly status?: { readonly observedGeneration?: number; readonly startTime?: string };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
