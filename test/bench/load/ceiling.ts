/**
 * What this load generator can reach at most here: the same requests to a server that does nothing
 * but TLS and HTTP, in a process of its own. A figure close to it is the generator's, not the
 * server's.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePki } from "../../../services/apiserver/auth/pki.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { configMap } from "./bodies.ts";
import { Client } from "./client.ts";
import { CONNECTIONS, load } from "./lanes.ts";

export interface Ceiling {
  readonly what: string;
  readonly perSecond: number;
  /** Microseconds of the generator's CPU for each. */
  readonly cpuMicros: number;
}

interface Bare {
  readonly cert: string;
  readonly key: string;
  readonly answer: string;
}

/** The first argument of this program where it is the bare server. */
export const SERVE_BARE = "--serve-bare";
const LISTED = 5_000;
const DURATION_MS = 1_500;

/** The bare server's part: its port to the parent, and an end with the parent's. */
export function serveBare(): void {
  process.once("disconnect", () => process.exit());
  process.once("message", ({ cert, key, answer }: Bare) => {
    const one = Buffer.from(answer);
    const list = Buffer.concat(Array.from({ length: LISTED }, () => one));
    const server = createServer({ cert, key }, (request, response) => {
      request.resume().once("end", () => {
        const body = request.url === "/list" ? list : one;
        const { length } = body;
        response.writeHead(200, { "Content-Type": "application/json", "Content-Length": length });
        response.end(body);
      });
    });
    server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  });
}

export async function measureCeiling(): Promise<Ceiling[]> {
  const folder = mkdtempSync(join(tmpdir(), "coxswain-bench-"));
  const pki = ensurePki(folder, ["127.0.0.1"], liveRuntime());
  rmSync(folder, { recursive: true });
  const { certificate: cert, key } = pki.apiserver;
  const object = configMap("c-1", {});
  const child = fork(process.argv[1] ?? "", [SERVE_BARE]);
  child.send({ cert, key, answer: JSON.stringify(object) } satisfies Bare);
  const [port] = await once(child, "message");
  const server = `https://127.0.0.1:${port}`;
  const client = new Client({ server, ca: pki.ca.certificate }, CONNECTIONS);
  const measured: [what: string, lanes: number, work: () => Promise<unknown>][] = [
    ["get of 1 KB", CONNECTIONS, () => client.ok("GET", "/")],
    ["post of 1 KB", CONNECTIONS, () => client.ok("POST", "/", object)],
    [`list of ${LISTED} × 1 KB`, 1, () => client.ok("GET", "/list")],
  ];
  const ceilings: Ceiling[] = [];
  for (const [what, lanes, work] of measured) {
    // The first thousand warm the code.
    await load(lanes * 30, DURATION_MS, work, lanes);
    const before = process.cpuUsage();
    const { perSecond, done } = await load(Infinity, DURATION_MS, work, lanes);
    const { user, system } = process.cpuUsage(before);
    ceilings.push({ what, perSecond, cpuMicros: (user + system) / done });
  }
  client.close();
  child.disconnect();
  return ceilings;
}
