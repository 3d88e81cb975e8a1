/**
 * What this load generator can reach at most here: the same requests to a server that does nothing
 * but TLS and HTTP, in a thread of its own. A figure close to it is the generator's, not the
 * server's.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, Worker } from "node:worker_threads";
import { ensurePki } from "../../../services/apiserver/auth/pki.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { Client } from "./client.ts";
import { CONNECTIONS, configMap, type Limits, load } from "./objects.ts";
import { quantile, type Report } from "./report.ts";

interface Bare {
  readonly cert: string;
  readonly key: string;
  readonly answer: string;
  /** The answer to /list: as many of the others. */
  readonly repeat: number;
}

/** The thread's part. */
export function serveBare({ cert, key, answer, repeat }: Bare): void {
  const one = Buffer.from(answer);
  const list = Buffer.concat(Array.from({ length: repeat }, () => one));
  const server = createServer({ cert, key }, (request, response) => {
    request.resume().once("end", () => {
      const body = request.url === "/list" ? list : one;
      const { length } = body;
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": length });
      response.end(body);
    });
  });
  server.listen(0, "127.0.0.1", () =>
    parentPort?.postMessage((server.address() as AddressInfo).port),
  );
}

/** `program`: the file that calls serveBare in a thread. */
export async function measureCeiling(program: string, limits: Limits, report: Report) {
  const folder = mkdtempSync(join(tmpdir(), "coxswain-bench-"));
  const pki = ensurePki(folder, ["127.0.0.1"], liveRuntime());
  rmSync(folder, { recursive: true });
  const { certificate: cert, key } = pki.apiserver;
  const object = configMap("c-1", {});
  const workerData: Bare = { cert, key, answer: JSON.stringify(object), repeat: limits.objects };
  const thread = new Worker(program, { workerData });
  const [port] = await once(thread, "message");
  const client = new Client(
    { server: `https://127.0.0.1:${port}`, ca: pki.ca.certificate },
    CONNECTIONS,
  );
  const measured: [what: string, work: () => Promise<unknown>][] = [
    ["ceiling: get from a bare Node HTTPS server", () => client.ok("GET", "/")],
    ["ceiling: post 1 KB to it", () => client.ok("POST", "/", object)],
  ];
  for (const [what, work] of measured) {
    const { perSecond } = await load(Number.POSITIVE_INFINITY, limits.durationMs, work);
    report.add({ what, value: perSecond, unit: "/s", note: "the load generator's own limit" });
  }
  const times: number[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const begun = performance.now();
    await client.ok("GET", "/list");
    times.push(performance.now() - begun);
  }
  const what = `ceiling: ${limits.objects} objects of 1 KB from it in one answer`;
  report.add({ what, value: quantile(times, 0.5), unit: "ms" });
  client.close();
  await thread.terminate();
}
