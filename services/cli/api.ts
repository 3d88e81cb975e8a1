/** The few questions that the command line asks a cluster's apiserver, as its administrator. */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";

export interface ApiAnswer {
  readonly code: number;
  readonly body: string;
}

const TIMEOUT_MS = 2_000;

/** GET of a path with the administrator's certificate. Rejects when nobody answers in time. */
export function get(data: string, port: number, path: string): Promise<ApiAnswer> {
  const file = (name: string) => readFileSync(join(data, "pki", name));
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1",
        port,
        path,
        ca: file("ca.crt"),
        cert: file("admin.crt"),
        key: file("admin.key"),
        agent: false,
        timeout: TIMEOUT_MS,
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () =>
          resolve({
            code: response.statusCode ?? 0,
            body: Buffer.concat(parts).toString("utf8"),
          }),
        );
        response.on("error", reject);
      },
    );
    call.on("timeout", () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on("error", reject);
    call.end();
  });
}

interface NodeItem {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

/** The nodes and whether each is Ready; undefined while the apiserver does not answer. */
export async function nodesReady(
  data: string,
  port: number,
): Promise<ReadonlyMap<string, boolean> | undefined> {
  try {
    const { code, body } = await get(data, port, "/api/v1/nodes?resourceVersion=0");
    if (code !== 200) return undefined;
    const { items } = JSON.parse(body) as { items: readonly NodeItem[] };
    return new Map(
      items.map(({ metadata, status }) => [
        metadata.name,
        status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ??
          false,
      ]),
    );
  } catch {
    return undefined;
  }
}
