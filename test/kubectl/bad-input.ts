import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ensurePki } from "../../services/apiserver/auth/pki.ts";
import { pathsOf, readSettings } from "../../services/cli/cluster.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { type Ask, ask, type Target } from "../apiserver-http/http-client.ts";
import type { RunningCluster } from "./cluster.ts";

interface Case {
  readonly name: string;
  readonly ask: string;
  readonly user?: "admin" | "robot" | "deleted" | "stranger";
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly object?: Tree;
  readonly text?: string;
  readonly repeat?: { readonly text: string; readonly times: number };
  /** Leaves to add to the object: texts of so many bytes. */
  readonly fill?: Tree;
  readonly code: number;
  readonly reason?: string;
  /** Part of the message. */
  readonly message?: string;
  readonly warning?: string;
  readonly causes?: readonly string[];
}

interface Tree {
  readonly [key: string]: unknown;
}

const CASES = parse(readFileSync(new URL("bad-input.yaml", import.meta.url), "utf8")) as Case[];
const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";
const IDLE_MAX = 10_000;
/** So many of them have done their handshake. */
const IDLE_TLS = 500;
const IDLE_MS = 300_000;

/** Bad input to a cluster that runs, over its own HTTPS. */
export function registerBadInput(cluster: () => RunningCluster): void {
  describe("bad input", () => {
    let subject: Subject;
    let before: string;
    beforeAll(async () => {
      subject = await prepare(cluster());
      before = await stateOf(cluster());
    }, IDLE_MS);
    afterAll(async () => {
      rmSync(subject?.strange ?? "", { recursive: true, force: true });
      expect(await stateOf(cluster())).toBe(before);
    }, IDLE_MS);

    it.each(CASES)("$name", (one) => check(subject, one));
    it("a request that is cut off", () => cutOff(subject));
    it("bytes that are no TLS, and no HTTP", () => garbage(subject));
    it("the bus without credentials", () => busWithoutCredentials(cluster()));
    it("thousands of idle connections", () => idleConnections(subject), IDLE_MS);
  });
}

interface Subject {
  readonly target: Target;
  readonly admin: { readonly certificate: string; readonly key: string };
  readonly stranger: { readonly certificate: string; readonly key: string };
  readonly tokens: { readonly robot: string; readonly deleted: string };
  readonly strange: string;
}

async function prepare(cluster: RunningCluster): Promise<Subject> {
  const runtime = liveRuntime();
  const pki = ensurePki(cluster.data, [], runtime);
  const strange = mkdtempSync(join(tmpdir(), "coxswain-pki-"));
  const tokenOf = async (name: string) => {
    await cluster.must(`kubectl create serviceaccount ${name}`);
    const path = `/api/v1/namespaces/default/serviceaccounts/${name}/token`;
    const text = await cluster.must(`echo '{"spec":{}}' | kubectl create --raw ${path} -f -`);
    return (JSON.parse(text) as { status: { token: string } }).status.token;
  };
  const tokens = { robot: await tokenOf("robot"), deleted: await tokenOf("deleted") };
  await cluster.must(`kubectl delete serviceaccount deleted
    kubectl create configmap kept --from-literal=a=1 --dry-run=client -o yaml |
      kubectl apply --server-side -f -
    kubectl create deployment kept --image=x --replicas=0
    kubectl wait --for=condition=Available deployment/kept --timeout=20s`);
  const url = `https://127.0.0.1:${cluster.port}`;
  const target: Target = { url, pki, server: { port: cluster.port } };
  return {
    target,
    admin: pki.admin,
    stranger: ensurePki(strange, [], runtime).admin,
    tokens,
    strange,
  };
}

/** Every object of the namespace, and the processes that run. */
async function stateOf(cluster: RunningCluster): Promise<string> {
  const objects = await cluster.must(
    "kubectl get configmaps,secrets,serviceaccounts,pods,services,deployments,replicasets,rolebindings -o json",
  );
  const items = (JSON.parse(objects) as { items: KubernetesObject[] }).items;
  const seen = items.map(({ kind, metadata }) => [kind, metadata.name, metadata.resourceVersion]);
  const pids = ["supervisor", "nats-server", "apiserver", "control", "nodes"].map((name) => {
    const pid = cluster.pidOf(name);
    process.kill(pid, 0);
    return [name, pid];
  });
  return JSON.stringify([seen, pids], null, 1);
}

async function check({ target, admin, stranger, tokens }: Subject, one: Case): Promise<void> {
  const [method = "", path = ""] = one.ask.split(" ");
  const { user = "admin", type = "application/json" } = one;
  const body = bodyOf(one);
  const described = { "content-type": type, "content-length": String(Buffer.byteLength(body)) };
  const options: Ask = {
    method,
    headers: { ...(body === "" ? {} : described), ...one.headers },
    ...(user === "robot" || user === "deleted" ? { token: tokens[user] } : {}),
    ...(user === "admin" ? { certificate: admin } : {}),
    ...(user === "stranger" ? { certificate: stranger } : {}),
    body,
  };
  const reply = await ask(target, path, options);
  expect(reply.code, reply.text).toBe(one.code);
  if (one.warning !== undefined) expect(reply.headers["warning"]).toContain(quoted(one.warning));
  if (one.reason === undefined) return;
  const status = reply.json as unknown as {
    reason: string;
    message: string;
    details?: { causes?: { field: string }[] };
  };
  expect(status.reason).toBe(one.reason);
  expect(status.message).toContain(one.message ?? "");
  if (one.causes !== undefined) {
    expect(status.details?.causes?.map(({ field }) => field)).toEqual(one.causes);
  }
}

/** A warning's text is quoted in its header. */
function quoted(text: string): string {
  return text.replaceAll('"', '\\"');
}

function bodyOf({ object, text, repeat, fill }: Case): string {
  if (repeat !== undefined) return repeat.text.repeat(repeat.times);
  if (object === undefined) return text ?? "";
  return JSON.stringify(fill === undefined ? object : filled(object, fill));
}

function filled(tree: Tree, fill: Tree): Tree {
  const next: Record<string, unknown> = { ...tree };
  for (const [key, value] of Object.entries(fill)) {
    const inner =
      typeof value === "number" ? "x".repeat(value) : filled(treeAt(tree, key), value as Tree);
    next[key] = inner;
  }
  return next;
}

function treeAt(tree: Tree, key: string): Tree {
  return (tree[key] ?? {}) as Tree;
}

/** An administrator's connection that bytes can be written to. */
function raw({ target, admin }: Subject): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port: target.server.port,
      host: "127.0.0.1",
      ca: target.pki.ca.certificate,
      cert: admin.certificate,
      key: admin.key,
      ALPNProtocols: ["http/1.1"],
    });
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("close", () => resolve());
    socket.resume();
  });
}

async function isAnswering(subject: Subject): Promise<void> {
  const reply = await ask(subject.target, `${CONFIG_MAPS}/kept`, { certificate: subject.admin });
  expect(reply.code).toBe(200);
}

async function cutOff(subject: Subject): Promise<void> {
  const body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cut"}}';
  const head = `POST ${CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  // At each place: in the first line, the headers, the body; by an end and by a reset.
  for (const length of [3, head.length - 4, whole.length - body.length + 5, whole.length - 1]) {
    for (const abrupt of [false, true]) {
      const socket = await raw(subject);
      const end = closed(socket);
      await new Promise<void>((resolve) => {
        socket.write(whole.slice(0, length), () => resolve());
      });
      if (abrupt) socket.destroy();
      else socket.end();
      await end;
    }
  }
  const reply = await ask(subject.target, `${CONFIG_MAPS}/cut`, { certificate: subject.admin });
  expect(reply.code).toBe(404);
}

async function garbage(subject: Subject): Promise<void> {
  const { port } = subject.target.server;
  const plain = ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\0", "\x16\x03\x01\xff\xff", "x".repeat(70_000)];
  for (const bytes of plain) {
    const socket = connectPlain(port, "127.0.0.1");
    const end = closed(socket);
    socket.end(Buffer.from(bytes, "latin1"));
    await end;
  }
  for (const bytes of [
    "\0\0\0\r\n\r\n",
    "NONSENSE / HTTP/9.9\r\n\r\n",
    `GET /${"a".repeat(2_000_000)}`,
  ]) {
    const socket = await raw(subject);
    const end = closed(socket);
    socket.end(Buffer.from(bytes, "latin1"));
    await end;
  }
  await isAnswering(subject);
}

async function busWithoutCredentials(cluster: RunningCluster): Promise<void> {
  const port = readSettings(pathsOf(cluster.data))?.natsPort ?? 0;
  const attempts = ['CONNECT {"verbose":false}', 'CONNECT {"user":"apiserver","pass":"x"}', "\0\0"];
  for (const attempt of attempts) {
    const socket = connectPlain(port, "127.0.0.1");
    const end = closed(socket);
    let said = "";
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
    });
    socket.write(`${attempt}\r\nPUB $KV.cluster.configmaps.default.bad 2\r\n{}\r\n`);
    await end;
    expect(said).toMatch(/-ERR '(Authorization Violation|Unknown Protocol Operation)'/);
  }
}

async function idleConnections(subject: Subject): Promise<void> {
  const count = Math.min(IDLE_MAX, openFilesMax() - 1_000);
  const sockets: Socket[] = [];
  try {
    while (sockets.length < count) {
      const size = Math.min(100, count - sockets.length);
      const tls = sockets.length < IDLE_TLS;
      const batch = Array.from({ length: size }, () => (tls ? raw(subject) : plain(subject)));
      sockets.push(...(await Promise.all(batch)));
    }
    const started = performance.now();
    for (let asked = 0; asked < 10; asked++) await isAnswering(subject);
    const each = (performance.now() - started) / 10;
    console.log(`beside ${count} idle connections a request took ${each.toFixed(1)} ms`);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  await isAnswering(subject);
}

function plain({ target }: Subject): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain(target.server.port, "127.0.0.1");
    socket.once("connect", () => {
      // The server ends those that stay silent: that is its right.
      socket.on("error", () => undefined);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1_024);
}
