import { spawn } from "node:child_process";

export interface RunOptions {
  readonly directory?: string;
  readonly timeoutMs: number;
}

/**
 * Runs a program to its end. Resolves with what it printed on its standard output.
 * @throws Error with the end of its standard error when it fails, is missing or takes too long.
 */
export function run(
  program: string,
  parameters: readonly string[],
  options: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
    let output = "";
    let complaints = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString();
    });
    child.stderr.on("data", (data: Buffer) => {
      complaints += data.toString();
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else {
        const end = complaints.trim().split("\n").slice(-3).join("; ");
        reject(new Error(`${program} ended with ${code ?? signal}: ${end}`));
      }
    });
  });
}
