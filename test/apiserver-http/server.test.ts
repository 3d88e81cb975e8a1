import { Agent } from "node:https";
import type { TLSSocket } from "node:tls";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ADMIN_TOKEN, type Served, serve, VIEWER_TOKEN } from "./fixture.ts";
import { ask, askHttp2, http2Session, rawConnection, withoutTls } from "./http-client.ts";
import { SmallEngine } from "./small-engine.ts";

let engine: SmallEngine;
let served: Served;

beforeEach(async () => {
  engine = new SmallEngine();
  served = await serve(engine);
});

afterEach(() => served.stop());

const PODS = "/api/v1/namespaces/default/pods";
const admin = { token: ADMIN_TOKEN };
const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
});

test("a request reaches the engine as what it is, over both HTTP versions", async () => {
  engine.add("pods", pod("web"));
  const session = http2Session(served);
  for (const send of [
    () => ask(served, `${PODS}/web?pretty=true`, admin),
    () => askHttp2(session, `${PODS}/web?pretty=true`, admin),
  ]) {
    const reply = await send();
    expect(reply.code).toBe(200);
    expect(reply.json.metadata.name).toBe("web");
    expect(reply.headers["content-type"]).toBe("application/json");
    expect(reply.headers["cache-control"]).toBe("no-cache, private");
    expect(reply.headers["audit-id"]).toBe(engine.requests.at(-1)?.trace);
  }
  session.close();
  expect(engine.requests[1]).toMatchObject({
    verb: "get",
    namespace: "default",
    name: "web",
    user: { username: "admin", groups: ["system:masters", "system:authenticated"] },
    actor: "user",
    replica: "admin",
    cause: 0,
  });
  expect(engine.requests[1]?.query.get("pretty")).toBe("true");
});

test("bodies arrive whole; warnings become headers", async () => {
  const body = JSON.stringify(pod("a"));
  const headers = { "content-type": "application/json" };
  const reply = await ask(served, PODS, { ...admin, method: "POST", body, headers });
  expect(reply.code).toBe(201);
  expect(reply.headers.warning).toBe('299 - "unknown field \\"spec.x\\""');
  expect(engine.requests[0]?.contentType).toBe("application/json");
  expect(engine.requests[0]?.body.toString()).toBe(body);
});

test("a client that is refused may send the rest of its request", async () => {
  const { socket, answer } = rawConnection(served);
  const size = 4 * 1024 * 1024;
  let failure: Error | undefined;
  socket.on("error", (error) => {
    failure = error;
  });
  const answered = new Promise((resolve) => socket.once("data", resolve));
  socket.write(
    `POST ${PODS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n` +
      `Connection: close\r\nContent-Length: ${size}\r\n\r\n`,
  );
  await answered;
  for (let sent = 0; sent < size; sent += size / 64) {
    await new Promise((resolve) => socket.write(Buffer.alloc(size / 64, " "), resolve));
  }
  expect(await answer).toMatch(/^HTTP\/1.1 413 /);
  expect(failure).toBeUndefined();
});

test("a body of more than 3 MiB is refused over both HTTP versions", async () => {
  const body = Buffer.alloc(3 * 1024 * 1024 + 1, " ");
  const session = http2Session(served);
  const declared = await ask(served, PODS, { ...admin, method: "POST", body });
  const chunked = await ask(served, PODS, {
    ...admin,
    method: "POST",
    body,
    headers: { "transfer-encoding": "chunked" },
  });
  const second = await askHttp2(session, PODS, { ...admin, method: "POST", body });
  for (const reply of [declared, chunked, second]) {
    expect(reply.code).toBe(413);
    expect(reply.json).toMatchObject({
      kind: "Status",
      status: "Failure",
      reason: "RequestEntityTooLarge",
      message: "Request entity too large: limit is 3145728",
    });
  }
  expect(engine.requests).toEqual([]);
  expect((await askHttp2(session, "/livez", admin)).text).toBe("ok");
  session.close();
});

test("large answers are compressed for those who accept it, and not for others", async () => {
  engine.padding = "x".repeat(200_000);
  const headers = { "accept-encoding": "deflate, gzip;q=0.5" };
  const plain = await ask(served, PODS, admin);
  const packed = await ask(served, PODS, { ...admin, headers });
  const refused = await ask(served, PODS, { ...admin, headers: { "accept-encoding": "gzip;q=0" } });
  expect(plain.headers["content-encoding"]).toBeUndefined();
  expect(refused.headers["content-encoding"]).toBeUndefined();
  expect(packed.headers["content-encoding"]).toBe("gzip");
  expect(packed.body.length).toBeLessThan(5_000);
  expect(gunzipSync(packed.body)).toEqual(plain.body);
  engine.padding = "";
  const small = await ask(served, PODS, { ...admin, headers });
  expect(small.headers["content-encoding"]).toBeUndefined();
});

test("HEAD answers without a body", async () => {
  engine.add("pods", pod("web"));
  const reply = await ask(served, `${PODS}/web`, { ...admin, method: "HEAD" });
  expect(reply.code).toBe(200);
  expect(Number(reply.headers["content-length"])).toBeGreaterThan(10);
  expect(reply.body.length).toBe(0);
});

test.each([
  "http1",
  "http2",
])("a watch delivers frames and ends both ways (%s)", async (version) => {
  const path = `${PODS}?watch=1`;
  const frames: string[] = [];
  let closeClient = () => {};
  let over: Promise<void>;
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const listen = (stream: NodeJS.ReadableStream) => {
    stream.on("data", (chunk: Buffer) => frames.push(chunk.toString()));
    return new Promise<void>((resolve) => stream.on("end", resolve));
  };
  if (version === "http2") {
    const session = http2Session(served);
    const stream = session.request({ ":path": path, ...headers });
    over = listen(stream);
    closeClient = () => stream.close();
  } else {
    const { get } = await import("node:https");
    over = new Promise<void>((resolve, reject) => {
      const message = get(
        served.url + path,
        { ca: served.pki.ca.certificate, headers, agent: false },
        (response) => void listen(response).then(resolve),
      );
      message.on("error", reject);
      closeClient = () => message.destroy();
    });
  }
  await expect.poll(() => engine.watchers.size).toBe(1);
  const [first] = engine.watchers;
  first?.write(Buffer.from("one\n"));
  first?.write(Buffer.from("two\n"));
  await expect.poll(() => frames).toEqual(["one\ntwo\n"]);
  first?.write(Buffer.from("three\n"));
  first?.end();
  await over;
  expect(frames.join("")).toBe("one\ntwo\nthree\n");
  await expect.poll(() => engine.watchers.size).toBe(0);
  closeClient();
});

test("a watch whose client is gone is stopped; one that is behind is told so", async () => {
  const { socket } = rawConnection(served);
  socket.write(
    `GET ${PODS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`,
  );
  await expect.poll(() => engine.watchers.size).toBe(1);
  socket.pause();
  const [sink] = engine.watchers;
  let accepted = 0;
  while (sink?.write(Buffer.alloc(256 * 1024))) accepted++;
  expect(accepted).toBeGreaterThan(10);
  socket.destroy();
  await expect.poll(() => engine.watchers.size).toBe(0);
  expect(sink?.write(Buffer.from("late"))).toBe(false);
});

test("an old watch path names one object by a field selector", async () => {
  const { socket } = rawConnection(served);
  const path = "/api/v1/watch/namespaces/default/pods/web";
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`);
  await expect.poll(() => engine.watchers.size).toBe(1);
  expect(engine.requests[0]).toMatchObject({ verb: "watch", name: "", namespace: "default" });
  expect(engine.requests[0]?.query.get("fieldSelector")).toBe("metadata.name=web");
  socket.destroy();
});

test("health, version, metrics, identity", async () => {
  expect((await ask(served, "/livez")).code).toBe(403);
  expect((await ask(served, "/livez", admin)).text).toBe("ok");
  expect((await ask(served, "/readyz/ping", admin)).text).toBe("ok");
  expect((await ask(served, "/readyz/nothing", admin)).code).toBe(404);
  const verbose = await ask(served, "/readyz?verbose", admin);
  expect(verbose.text).toBe("[+]ping ok\nreadyz check passed\n");
  const version = (await ask(served, "/version", admin)).json;
  expect(version).toMatchObject({ major: "1", minor: "35", gitVersion: "v1.35.0+coxswain" });
  await ask(served, `${PODS}/absent`, admin);
  const metrics = (await ask(served, "/metrics", admin)).text;
  expect(metrics).toMatch(
    /apiserver_request_total\{code="404",.*resource="pods",scope="resource".*verb="GET".*\} 1/,
  );
  expect(metrics).toMatch(/apiserver_request_duration_seconds_bucket\{.*le="\+Inf"\} 1/);
  expect(metrics).toContain("process_resident_memory_bytes");
  const configuration = (await ask(served, "/.well-known/openid-configuration", admin)).json;
  expect(configuration.issuer).toBe("https://kubernetes.default.svc.cluster.local");
  const keys = (await ask(served, "/openid/v1/jwks", admin)).json.keys;
  expect(keys).toMatchObject([{ kty: "EC", crv: "P-256", use: "sig", alg: "ES256" }]);
});

test("documents are served with validators", async () => {
  const first = await ask(served, "/apis", admin);
  expect(first.json.kind).toBe("APIGroupList");
  const headers = { "if-none-match": String(first.headers.etag) };
  const again = await ask(served, "/apis", { ...admin, headers });
  expect(again.code).toBe(304);
  expect(again.body.length).toBe(0);
  expect((await ask(served, "/apis/none.example", admin)).code).toBe(404);
});

test("client certificates authenticate, also on a resumed TLS session", async () => {
  engine.add("pods", pod("web"));
  const certificate = served.pki.admin;
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
  const reused: boolean[] = [];
  const create = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    const socket = create(...args) as TLSSocket;
    socket.once("secureConnect", () => reused.push(socket.isSessionReused()));
    return socket;
  };
  for (let i = 0; i < 2; i++) {
    const reply = await ask(served, `${PODS}/web`, { certificate, agent });
    expect(reply.code).toBe(200);
  }
  expect(reused).toEqual([false, true]);
  for (const { user } of engine.requests) {
    expect(user).toEqual({
      username: "kubernetes-admin",
      groups: ["system:masters", "system:authenticated"],
    });
  }
  const session = http2Session(served, certificate);
  expect((await askHttp2(session, `${PODS}/web`)).code).toBe(200);
  session.close();
});

test("whatever is no HTTP, or comes too slowly, ends with its connection only", async () => {
  await served.stop();
  served = await serve(engine, {
    limits: { handshake: 300, headers: 300, request: 500 },
  });
  expect(await withoutTls(served)).toBe("refused");
  const rubbish = rawConnection(served);
  rubbish.socket.write("\x00\x01\x02 rubbish\r\n\r\n");
  expect(await rubbish.answer).toMatch(/^HTTP\/1\.1 400 /);
  const long = rawConnection(served);
  long.socket.write(`GET / HTTP/1.1\r\nX: ${"x".repeat(1_100_000)}\r\n\r\n`);
  expect(await long.answer).toMatch(/^HTTP\/1\.1 431 |^$/);
  const cut = rawConnection(served);
  cut.socket.write(
    `POST ${PODS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n` +
      "Content-Length: 100\r\n\r\n{",
  );
  cut.socket.end();
  await cut.answer;
  expect(engine.requests).toEqual([]);
  expect((await ask(served, "/livez", admin)).text).toBe("ok");
});

test("idle connections are closed; the server goes on answering", async () => {
  await served.stop();
  served = await serve(engine, {
    limits: { handshake: 200, headers: 200, request: 200, idle: 200 },
  });
  const idle = Array.from({ length: 50 }, () => rawConnection(served).answer);
  const slow = rawConnection(served);
  slow.socket.write("GET / HTTP/1.1\r\nHost:");
  expect((await ask(served, "/livez", admin)).text).toBe("ok");
  expect(await slow.answer).toMatch(/^HTTP\/1\.1 408 /);
  await Promise.all(idle);
});

test("closing lets requests under way finish and tells HTTP/2 clients to leave", async () => {
  engine.add("pods", pod("web"));
  const session = http2Session(served);
  let release = () => {};
  engine.gate = new Promise((resolve) => {
    release = resolve;
  });
  const goaway = new Promise<void>((resolve) => session.on("goaway", () => resolve()));
  const first = ask(served, `${PODS}/web`, admin);
  const second = askHttp2(session, `${PODS}/web`, admin);
  await expect.poll(() => engine.requests.length).toBe(2);
  const closed = served.server.close(10_000);
  await goaway;
  release();
  expect((await first).code).toBe(200);
  expect((await second).code).toBe(200);
  await closed;
  await expect(ask(served, "/livez", admin)).rejects.toThrow(/ECONNREFUSED/);
});

test("closing ends watches cleanly", async () => {
  const { socket, answer } = rawConnection(served);
  socket.write(
    `GET ${PODS}?watch=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`,
  );
  await expect.poll(() => engine.watchers.size).toBe(1);
  await served.server.close(10_000);
  expect(await answer).toMatch(/\r\n0\r\n\r\n$/);
});

test("impersonation", async () => {
  engine.add("pods", pod("web"));
  const headers = { "impersonate-user": "jane", "impersonate-group": ["dev", "ops"] };
  await ask(served, `${PODS}/web`, { ...admin, headers });
  expect(engine.requests[0]?.user).toEqual({
    username: "jane",
    groups: ["dev", "ops", "system:authenticated"],
  });
  const refused = await ask(served, `${PODS}/web`, { token: VIEWER_TOKEN, headers });
  expect(refused.code).toBe(403);
  expect(refused.json.message).toBe(
    'users "jane" is forbidden: User "viewer" cannot impersonate resource "users" ' +
      'in API group "" at the cluster scope',
  );
});
