import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import type { StatusBody } from "../../../../shared/actor/api.ts";
import type { ContainerSession, ExecOptions, PortConnection } from "../runtime.ts";
import { quote } from "./script.ts";

/** Runs the words and holds their streams. A terminal comes from `script`, without its size. */
export function spawnSession(words: readonly string[], options: ExecOptions): ContainerSession {
  const inTerminal = ["script", "--quiet", "--return", "--flush", "--command"];
  const [program = "", ...rest] = options.tty
    ? [...inTerminal, words.map(quote).join(" "), "/dev/null"]
    : words;
  const child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
  if (!options.stdin) child.stdin.end();
  child.stdin.on("error", () => undefined);
  return {
    read: () => readOutput(child),
    write: (data) => new Promise((resolve) => child.stdin.write(data, () => resolve())),
    closeStdin: () => child.stdin.end(),
    resize: () => undefined,
    ended: new Promise((resolve) => {
      child.once("error", (error) => resolve(failure(error.message)));
      child.once("close", (code) => resolve(exitStatus(code ?? 137)));
    }),
    close: () => child.kill("SIGKILL"),
  };
}

async function* readOutput(
  child: ChildProcess,
): AsyncGenerator<{ channel: "stdout" | "stderr"; data: Uint8Array }> {
  const { stdout, stderr } = child;
  if (!stdout || !stderr) return;
  const pull = async (channel: "stdout" | "stderr", source: AsyncIterator<Buffer>) => ({
    channel,
    source,
    result: await source.next(),
  });
  const first = [
    pull("stdout", stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>),
    pull("stderr", stderr[Symbol.asyncIterator]() as AsyncIterator<Buffer>),
  ];
  const open = new Map(first.map((pending, index) => [index === 0 ? "stdout" : "stderr", pending]));
  while (open.size > 0) {
    const { channel, source, result } = await Promise.race(open.values());
    if (result.done) open.delete(channel);
    else {
      yield { channel, data: result.value };
      open.set(channel, pull(channel, source));
    }
  }
}

/** As container runtimes report the end of a command. */
function exitStatus(code: number): StatusBody {
  if (code === 0) {
    return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 200 };
  }
  return {
    ...failure(`command terminated with non-zero exit code: exit status ${code}`),
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

function failure(message: string): StatusBody {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: "InternalError",
    code: 500,
  };
}

/** A connection to a port of the host, which is the pod's as well. */
export function connectPort(port: number): PortConnection {
  const socket: Socket = connect({ host: "127.0.0.1", port });
  return {
    read: () => socket as AsyncIterable<Uint8Array>,
    write: (data) => new Promise((resolve) => socket.write(data, () => resolve())),
    end: () => void socket.end(),
    close: () => void socket.destroy(),
    ended: new Promise((resolve) => {
      socket.once("error", (error) => resolve(error.message));
      socket.once("close", () => resolve(undefined));
    }),
  };
}
