import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type Cluster, startCluster } from "./cluster.ts";
import { ADMIN_TOKEN, VIEWER_TOKEN } from "./fixture.ts";
import { type Ask, ask, askHttp2, http2Session, rawConnection } from "./http-client.ts";

interface Case {
  readonly name: string;
  readonly ask: string;
  readonly user?: "admin" | "viewer" | "none" | "wrong";
  readonly type?: string;
  readonly accept?: string;
  readonly body?: string;
  /** Blanks in front of the body. */
  readonly pad?: number;
  readonly code: number;
  readonly reason: string;
  /** Part of the message; `^...$` as a regular expression. */
  readonly message?: string;
}

const cases: Case[] = parse(readFileSync(new URL("bad-requests.yaml", import.meta.url), "utf8"));
const TOKENS = { admin: ADMIN_TOKEN, viewer: VIEWER_TOKEN, none: undefined, wrong: "wrong" };
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

let cluster: Cluster;
let before: Record<string, number>;

beforeAll(async () => {
  cluster = await startCluster();
  const head = (kind: string, name: string) => ({ apiVersion: "v1", kind, metadata: { name } });
  await create("configmaps?fieldManager=keeper", {
    ...head("ConfigMap", "kept"),
    data: { a: "1" },
  });
  await create("serviceaccounts", head("ServiceAccount", "default"));
  before = await heads();
});

afterAll(() => cluster.stop());

async function create(path: string, object: object): Promise<void> {
  const reply = await ask(cluster, `/api/v1/namespaces/default/${path}`, {
    method: "POST",
    token: ADMIN_TOKEN,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(object),
  });
  expect(reply.code, reply.text).toBe(201);
}

/** What the logs have come to. */
async function heads(): Promise<Record<string, number>> {
  const { cluster: objects, events } = cluster.stores;
  return { cluster: await objects.head(), events: await events.head() };
}

test.each(cases)("$name", async (one) => {
  const [method = "", path = ""] = one.ask.split(" ");
  const body = " ".repeat(one.pad ?? 0) + (one.body ?? "");
  const options: Ask = {
    method,
    token: TOKENS[one.user ?? "admin"],
    body,
    headers: {
      ...(body === "" ? {} : { "content-type": one.type ?? "application/json" }),
      ...(one.accept === undefined ? {} : { accept: one.accept }),
    },
  };
  const session = http2Session(cluster);
  const second = await askHttp2(session, path, options);
  session.close();
  for (const reply of [await ask(cluster, path, options), second]) {
    expect({ code: reply.code, type: reply.headers["content-type"] }, reply.text).toEqual({
      code: one.code,
      type: "application/json",
    });
    const status = reply.json;
    expect(status).toMatchObject({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      reason: one.reason,
      code: one.code,
    });
    const { message = "" } = one;
    if (message.startsWith("^")) expect(status.message).toMatch(new RegExp(message));
    else expect(status.message).toContain(message);
  }
  expect(await heads()).toEqual(before);
});

test("a request that is cut off changes nothing", async () => {
  const { socket, answer } = rawConnection(cluster);
  const body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cut"}}';
  socket.write(
    `POST ${CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}`,
  );
  socket.end();
  await answer;
  const reply = await ask(cluster, `${CONFIG_MAPS}/cut`, { token: ADMIN_TOKEN });
  expect(reply.code).toBe(404);
  expect(await heads()).toEqual(before);
});
