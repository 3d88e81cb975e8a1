import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import type { Bus, Subscription } from "../../shared/actor/bus.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { ERROR, RESIZE, STDERR, STDIN, STDOUT } from "../../shared/streams/channels.ts";
import type { ExecOpen, LogOpen, StreamOpen } from "../../shared/streams/message.ts";
import { type NodeStream, StreamRefusedError, serveStreams } from "../../shared/streams/stream.ts";

/** A node agent whose containers are child processes, and whose logs are lists of lines. */
export class TestAgent {
  readonly opened: StreamOpen[] = [];
  readonly sizes: string[] = [];
  readonly children = new Set<ChildProcess>();
  log: readonly string[] = ["one", "two", "three"];
  refusal: string | undefined;
  /** Set while a follower waits for more lines. */
  more: ((line: string | undefined) => void) | undefined;
  readonly #subscription: Subscription;

  constructor(bus: Bus, runtime: Runtime, node: string) {
    this.#subscription = serveStreams(bus, runtime, `node.${node}.stream.*`, (open, accept) =>
      this.#serve(open, accept),
    );
  }

  stop(): void {
    this.#subscription.stop();
    for (const child of this.children) child.kill("SIGKILL");
  }

  async #serve(open: StreamOpen, accept: () => NodeStream): Promise<void> {
    this.opened.push(open);
    if (this.refusal !== undefined) throw new StreamRefusedError(badRequest(this.refusal));
    switch (open.operation) {
      case "exec":
        return this.#exec(open, accept());
      case "attach":
        return this.#exec({ ...open, operation: "exec", command: ["cat"] }, accept());
      case "log":
        return this.#log(open, accept());
      case "portforward":
        return forward(open.port, accept());
    }
  }

  async #exec(open: ExecOpen, stream: NodeStream): Promise<void> {
    const [program = "", ...words] = open.command;
    const child = spawn(program, words, { stdio: "pipe" });
    this.children.add(child);
    const exit = new Promise<number>((resolve) => {
      child.on("error", () => resolve(127));
      child.on("close", (code) => {
        this.children.delete(child);
        resolve(code ?? 137);
      });
    });
    void stream.closed.then((broken) => broken && child.kill("SIGKILL"));
    child.stdin.on("error", () => undefined);
    const input = async () => {
      for await (const chunk of stream.read(STDIN)) {
        if (!child.stdin.write(chunk)) await new Promise((go) => child.stdin.once("drain", go));
      }
      child.stdin.end();
    };
    const sizes = async () => {
      for await (const chunk of stream.read(RESIZE)) this.sizes.push(Buffer.from(chunk).toString());
    };
    void sizes();
    if (open.stdin) void input();
    else child.stdin.end();
    const output = async (from: AsyncIterable<Buffer>, channel: number) => {
      for await (const chunk of from) await stream.write(channel, chunk);
    };
    await Promise.all([output(child.stdout, STDOUT), output(child.stderr, STDERR)]);
    await stream.write(ERROR, JSON.stringify(statusOf(await exit)));
  }

  async #log(open: LogOpen, stream: NodeStream): Promise<void> {
    const lines = open.tailLines === undefined ? this.log : this.log.slice(-open.tailLines);
    for (const line of lines) await stream.write(STDOUT, `${line}\n`);
    if (!open.follow) return;
    let over = false;
    void stream.closed.then(() => {
      over = true;
      this.more?.(undefined);
    });
    while (!over) {
      const line = await new Promise<string | undefined>((resolve) => {
        this.more = resolve;
      });
      this.more = undefined;
      if (line === undefined) return;
      await stream.write(STDOUT, `${line}\n`);
    }
  }
}

async function forward(port: number, stream: NodeStream): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  const failure = await new Promise<Error | undefined>((resolve) => {
    socket.on("connect", () => resolve(undefined));
    socket.on("error", resolve);
  });
  if (failure !== undefined) return stream.write(ERROR, failure.message);
  const upwards = async () => {
    for await (const chunk of stream.read(STDIN)) socket.write(chunk);
    socket.end();
  };
  void upwards();
  for await (const chunk of socket) await stream.write(STDOUT, chunk as Buffer);
}

function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

function badRequest(message: string) {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: "BadRequest",
    code: 400,
  } as const;
}
