import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { writeKubeconfig } from "../../services/apiserver/auth/kubeconfig.ts";
import type { Target } from "./http-client.ts";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Finished>;
  stdout(): string;
  stderr(): string;
}

/** The real kubectl as the server's administrator. */
export class Kubectl {
  readonly #config: string;
  readonly #home: string;

  constructor(served: Target & { readonly directory: string }) {
    this.#home = served.directory;
    this.#config = join(served.directory, "kubeconfig");
    writeKubeconfig(this.#config, served.pki, served.url);
  }

  start(words: readonly string[], environment: Record<string, string> = {}): Running {
    return this.#spawn("kubectl", words, environment);
  }

  /** Runs a shell line on a terminal of 101 columns and 43 rows. */
  terminal(line: string, environment: Record<string, string> = {}): Running {
    const sized = `stty cols 101 rows 43; exec ${line}`;
    return this.#spawn("script", ["-qfec", sized, "/dev/null"], environment);
  }

  #spawn(program: string, words: readonly string[], environment: Record<string, string>): Running {
    const child = spawn(program, [...words], {
      env: { ...process.env, HOME: this.#home, KUBECONFIG: this.#config, ...environment },
      stdio: "pipe",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("latin1");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const done = new Promise<Finished>((resolve) => {
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, done, stdout: () => stdout, stderr: () => stderr };
  }

  run(
    words: readonly string[],
    input = "",
    environment: Record<string, string> = {},
  ): Promise<Finished> {
    const running = this.start(words, environment);
    running.child.stdin?.on("error", () => undefined);
    running.child.stdin?.end(input);
    return running.done;
  }
}
