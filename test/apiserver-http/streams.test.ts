import type { AddressInfo } from "node:net";
import { connect, createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, type Served, serve, VIEWER_TOKEN } from "./fixture.ts";
import { ask, rawConnection } from "./http-client.ts";
import { Kubectl } from "./kubectl.ts";
import { TestAgent } from "./node-agent.ts";
import { SmallEngine } from "./small-engine.ts";

let engine: SmallEngine;
let served: Served;
let agent: TestAgent;
let kubectl: Kubectl;

beforeEach(async () => {
  engine = new SmallEngine();
  served = await serve(engine);
  agent = new TestAgent(served.bus, served.runtime, "n1");
  kubectl = new Kubectl(served);
  engine.add("pods", pod("web", [{ name: "main" }]));
  engine.add("pods", pod("two", [{ name: "a" }, { name: "b" }]));
  engine.add("pods", pod("new", [{ name: "main" }], {}));
});

afterEach(async () => {
  agent.stop();
  await served.stop();
});

const admin = { token: ADMIN_TOKEN };
const PODS = "/api/v1/namespaces/default/pods";

function pod(name: string, containers: object[], spec: object = { nodeName: "n1" }) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    spec: { ...spec, containers },
    status: { phase: "Running" },
  };
}

const SPDY = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false",
  KUBECTL_PORT_FORWARD_WEBSOCKETS: "false",
};
const PROTOCOLS: [string, Record<string, string>][] = [
  ["WebSocket", {}],
  ["SPDY", SPDY],
];

describe.each(PROTOCOLS)("kubectl over %s", (_, environment) => {
  test("exec: output, input, exit code", async () => {
    const hello = await kubectl.run(
      ["exec", "web", "--", "sh", "-c", "echo out; echo err >&2"],
      "",
      environment,
    );
    expect(hello).toEqual({ code: 0, stdout: "out\n", stderr: "err\n" });
    expect(agent.opened[0]).toEqual({
      operation: "exec",
      namespace: "default",
      pod: "web",
      uid: "uid-web",
      container: "main",
      command: ["sh", "-c", "echo out; echo err >&2"],
      stdin: false,
      stdout: true,
      stderr: true,
      tty: false,
    });
    const echoed = await kubectl.run(["exec", "-i", "web", "--", "cat"], "to and fro", environment);
    expect(echoed).toEqual({ code: 0, stdout: "to and fro", stderr: "" });
    const failed = await kubectl.run(["exec", "web", "--", "sh", "-c", "exit 7"], "", environment);
    expect(failed.code).toBe(7);
    expect(failed.stderr).toBe("command terminated with exit code 7\n");
  });

  test("exec: megabytes both ways arrive whole", async () => {
    const input = "0123456789abcde\n".repeat(200_000);
    const words = ["exec", "-i", "web", "--", "cat"];
    const { code, stdout } = await kubectl.run(words, input, environment);
    expect(code).toBe(0);
    expect(stdout.length).toBe(input.length);
    expect(stdout === input).toBe(true);
  });

  test("exec: the command dies with its client", async () => {
    const { child, stdout } = kubectl.start(
      ["exec", "-i", "web", "--", "sh", "-c", "echo up; cat"],
      environment,
    );
    await expect.poll(stdout).toBe("up\n");
    expect(agent.children.size).toBe(1);
    child.kill("SIGKILL");
    await expect.poll(() => agent.children.size).toBe(0);
  });

  test("exec: errors from before the stream", async () => {
    agent.refusal = 'container "main" in pod "web" is not running';
    const refused = await kubectl.run(["exec", "web", "--", "true"], "", environment);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(agent.refusal);
    const absent = await kubectl.run(["exec", "none", "--", "true"], "", environment);
    expect(absent.stderr).toBe('Error from server (NotFound): pods "none" not found\n');
    agent.stop();
    const gone = await kubectl.run(["exec", "web", "--", "true"], "", environment);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('the agent of node "n1" is not connected');
  });

  test("attach", async () => {
    const { child, done, stdout } = kubectl.start(["attach", "-i", "web"], environment);
    child.stdin?.write("hello\n");
    await expect.poll(stdout).toContain("hello\n");
    child.stdin?.end();
    expect((await done).code).toBe(0);
    expect(agent.opened[0]?.operation).toBe("attach");
  });

  test("exec with a terminal: its size is passed on", async () => {
    const script = "kubectl exec -it web -- cat";
    const { child, stdout } = kubectl.start(["version", "--client"], environment);
    await new Promise((resolve) => child.on("close", resolve));
    expect(stdout()).toContain("Client Version");
    const terminal = kubectl.terminal(script, environment);
    await expect.poll(() => agent.sizes.length).toBeGreaterThan(0);
    expect(JSON.parse(agent.sizes[0] ?? "")).toEqual({ Width: 101, Height: 43 });
    expect(agent.opened[0]).toMatchObject({ tty: true, stderr: false, stdin: true });
    terminal.child.kill("SIGKILL");
  });

  describe("port-forward", () => {
    let echo: Server;
    let port: number;

    beforeEach(async () => {
      echo = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.pipe(socket);
      });
      await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
      port = (echo.address() as AddressInfo).port;
    });

    afterEach(() => void echo.close());

    async function forwarded(to: number) {
      const running = kubectl.start(["port-forward", "pod/web", `:${to}`], environment);
      await expect.poll(running.stdout).toMatch(/Forwarding from 127\.0\.0\.1:\d+/);
      const local = Number(/127\.0\.0\.1:(\d+)/.exec(running.stdout())?.[1]);
      return { ...running, local };
    }

    test("several connections at once, each whole", async () => {
      const { child, local } = await forwarded(port);
      const texts = await Promise.all(
        [1, 2, 3].map(async (number) => {
          const sent = `${number}`.repeat(300_000);
          return (await exchange(local, sent)) === sent;
        }),
      );
      expect(texts).toEqual([true, true, true]);
      expect(agent.opened.map(({ operation }) => operation)).toEqual(Array(3).fill("portforward"));
      child.kill();
    });

    test("a port that nobody listens on", async () => {
      const { child, local, stderr } = await forwarded(1);
      expect(await exchange(local, "x")).toBe("");
      await expect.poll(stderr).toContain("error forwarding port 1 to pod");
      child.kill();
    });
  });
});

/** Sends the text and gathers what comes back. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (received.length >= text.length) socket.end();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(received));
    socket.write(text);
  });
}

describe("logs", () => {
  test("whole, the last lines, followed", async () => {
    expect((await kubectl.run(["logs", "web"])).stdout).toBe("one\ntwo\nthree\n");
    expect((await kubectl.run(["logs", "web", "--tail=2"])).stdout).toBe("two\nthree\n");
    const { stdout, done, child } = kubectl.start(["logs", "-f", "web"]);
    await expect.poll(stdout).toBe("one\ntwo\nthree\n");
    await expect.poll(() => agent.more !== undefined).toBe(true);
    agent.more?.("four");
    await expect.poll(stdout).toBe("one\ntwo\nthree\nfour\n");
    child.kill();
    await done;
    await expect.poll(() => agent.more).toBeUndefined();
  });

  test("options are passed on", async () => {
    const query = "previous=true&timestamps=true&limitBytes=10&sinceTime=2026-01-01T00:00:00Z";
    const reply = await ask(served, `${PODS}/two/log?container=b&${query}`, admin);
    expect(reply.code).toBe(200);
    expect(reply.headers["content-type"]).toBe("text/plain");
    expect(agent.opened[0]).toEqual({
      operation: "log",
      namespace: "default",
      pod: "two",
      uid: "uid-two",
      container: "b",
      follow: false,
      previous: true,
      timestamps: true,
      stream: "All",
      limitBytes: 10,
      sinceMs: Date.UTC(2026, 0, 1),
    });
  });

  test.each([
    ["two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"],
    ["two/log?container=c", 400, "container c is not valid for pod two"],
    ["none/log", 404, 'pods "none" not found'],
    ["web/log?tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    [
      "web/log?tailLines=-1",
      422,
      'PodLogOptions "web" is invalid: tailLines: Invalid value: -1: ' +
        "must be greater than or equal to 0",
    ],
    [
      "web/log?sinceSeconds=0",
      422,
      'PodLogOptions "web" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0',
    ],
  ])("%s", async (path, code, message) => {
    const reply = await ask(served, `${PODS}/${path}`, admin);
    expect(reply.code).toBe(code);
    expect(reply.json).toMatchObject({ kind: "Status", status: "Failure", message, code });
  });

  test("a pod without a node has none; a node's refusal is the answer", async () => {
    expect((await ask(served, `${PODS}/new/log`, admin)).text).toBe("");
    agent.refusal = 'container "main" in pod "web" is waiting to start: ContainerCreating';
    const reply = await ask(served, `${PODS}/web/log`, admin);
    expect(reply.code).toBe(400);
    expect(reply.json).toMatchObject({ reason: "BadRequest", message: agent.refusal });
    expect((await kubectl.run(["logs", "web"])).stderr).toBe(
      `Error from server (BadRequest): ${agent.refusal}\n`,
    );
  });
});

describe("requests that do not upgrade, or may not", () => {
  test.each([
    ["GET", "web/exec?command=x", 400, "Upgrade request required"],
    ["POST", "web/attach", 400, "Upgrade request required"],
    ["GET", "web/portforward", 400, "Upgrade request required"],
    ["PUT", "web/exec", 405, "the server does not allow this method on the requested resource"],
  ])("%s %s", async (method, path, code, message) => {
    const reply = await ask(served, `${PODS}/${path}`, { ...admin, method });
    expect(reply.json).toMatchObject({ code, message });
  });

  const upgrade = async (path: string, headers: string, token = ADMIN_TOKEN) => {
    const { socket, answer } = rawConnection(served);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        `Connection: Upgrade\r\n${headers}\r\n\r\n`,
    );
    const text = await answer;
    const [head = "", body = ""] = text.split("\r\n\r\n");
    return { code: Number(head.split(" ")[1]), status: JSON.parse(body) };
  };
  const WEBSOCKET =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
  const V5 = `${WEBSOCKET}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io`;

  test.each([
    [
      "another protocol",
      `${PODS}/web/exec?command=x&stdout=1`,
      "Upgrade: h2c",
      400,
      /unexpected upgrade "h2c"/,
    ],
    [
      "another subprotocol",
      `${PODS}/web/exec?command=x&stdout=1`,
      `${WEBSOCKET}\r\nSec-WebSocket-Protocol: chat`,
      400,
      /client supports \[chat\], server accepts \[v5.channel.k8s.io v4.channel.k8s.io\]/,
    ],
    ["no channels", `${PODS}/web/exec?command=x`, V5, 400, /at least 1 of stdin, stdout, stderr/],
    ["no command", `${PODS}/web/exec?stdout=1`, V5, 400, /must specify a command/],
    [
      "no node",
      `${PODS}/new/exec?command=x&stdout=1`,
      V5,
      400,
      /^pod new does not have a host assigned$/,
    ],
    ["no pod", `${PODS}/none/exec?command=x&stdout=1`, V5, 404, /^pods "none" not found$/],
    ["no resource", "/api/v1/nonsense", V5, 404, /could not find the requested resource/],
    ["a path", "/version", V5, 400, /does not upgrade/],
  ])("%s", async (_, path, headers, code, message) => {
    const reply = await upgrade(path, headers);
    expect(reply.code).toBe(code);
    expect(reply.status.message).toMatch(message);
  });

  test("wrong and insufficient credentials", async () => {
    const path = `${PODS}/web/exec?command=x&stdout=1`;
    expect((await upgrade(path, V5, "wrong")).status).toMatchObject({ code: 401 });
    expect((await upgrade(path, V5, VIEWER_TOKEN)).status.message).toBe(
      'pods "web" is forbidden: User "viewer" cannot get resource "pods/exec" ' +
        'in API group "" in the namespace "default"',
    );
  });

  test("whoever may only get may not run commands over a WebSocket", async () => {
    const GROUP = "rbac.authorization.k8s.io";
    const head = (kind: string) => ({ apiVersion: `${GROUP}/v1`, kind, metadata: { name: "x" } });
    await served.cluster.put(`clusterroles.${GROUP}`, {
      ...head("ClusterRole"),
      rules: [{ apiGroups: [""], resources: ["pods/exec"], verbs: ["get"] }],
    });
    await served.cluster.put(`clusterrolebindings.${GROUP}`, {
      ...head("ClusterRoleBinding"),
      roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: "x" },
      subjects: [{ kind: "User", name: "viewer" }],
    });
    const reply = await upgrade(`${PODS}/web/exec?command=x&stdout=1`, V5, VIEWER_TOKEN);
    expect(reply.status.message).toContain('cannot create resource "pods/exec"');
  });
});
