import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Runtime } from "../../shared/runtime/runtime.ts";

export interface CommandOptions {
  readonly input?: string;
  /** Kills the command after this long; default one minute. */
  readonly timeoutMs?: number;
  /** Runs inside this network namespace (a path below /run/netns); default: this process' own. */
  readonly networkNamespace?: string;
  /** Called with each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface CommandResult {
  /** Exit code; 127 when there is no such program, 124 after the timeout. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Never throws: a missing program is a result as well. */
export type Command = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<CommandResult>;

const TIMEOUT_MS = 60_000;

/** A command that did not end as it should have. */
export class CommandError extends Error {
  readonly result: CommandResult;
  constructor(program: string, args: readonly string[], result: CommandResult) {
    const text = (result.stderr || result.stdout).trim() || `exit code ${result.code}`;
    super(`${program} ${args.join(" ")}: ${text}`);
    this.name = "CommandError";
    this.result = result;
  }
}

/**
 * The real way to run programs. `nsenter` enters a namespace's network only: `ip netns exec` would
 * also remount /sys and hide the cgroups.
 */
export function commands(runtime: Runtime): Command {
  return (program, args, options = {}) => {
    const namespace = options.networkNamespace;
    return namespace === undefined
      ? execute(runtime, program, args, options)
      : execute(runtime, "nsenter", [`--net=${namespace}`, "--", program, ...args], options);
  };
}

/** Runs it and throws CommandError unless it ended with 0. @returns its standard output. */
export async function must(
  command: Command,
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const result = await command(program, args, options);
  if (result.code !== 0) throw new CommandError(program, args, result);
  return result.stdout;
}

function execute(
  runtime: Runtime,
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], { stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const cancel = runtime.timers.after(options.timeoutMs ?? TIMEOUT_MS, () => {
      timedOut = true;
      child.kill("SIGKILL");
    });
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    if (options.onLine !== undefined) {
      createInterface({ input: child.stdout }).on("line", options.onLine);
    }
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    // A program that ends without reading its input breaks the pipe; its exit code says why.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    const finish = (code: number, message?: string): void => {
      cancel();
      resolve({
        code: timedOut ? 124 : code,
        stdout: Buffer.concat(out).toString(),
        stderr: message ?? Buffer.concat(err).toString(),
      });
    };
    child.on("error", (error: NodeJS.ErrnoException) =>
      finish(error.code === "ENOENT" ? 127 : 126, error.message),
    );
    child.on("close", (code) => finish(code ?? 137));
  });
}
