import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { programFile, repository } from "../../services/cli/folders.ts";
import { obtainKubectl } from "../../services/cli/kubectl.ts";
import { isFree } from "../../services/cli/ports.ts";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const START_MS = 180_000;
const SHELL_MS = 60_000;

/** Shell functions that every step may use: `page URL` prints what a web server answers. */
const PRELUDE = `
page() { node -e 'fetch(process.argv[1], { signal: AbortSignal.timeout(5000) })
  .then((answer) => answer.text()).then((text) => process.stdout.write(text))' "$1"; }
`;

/** A cluster that the command line started, as its users have it. */
export class RunningCluster {
  readonly data: string;
  readonly port: number;
  readonly #home: string;
  readonly #path: string;

  private constructor(home: string, port: number, kubectl: string) {
    this.#home = home;
    this.data = join(home, "data");
    this.port = port;
    this.#path = [dirname(kubectl), dirname(process.execPath), process.env["PATH"]].join(delimiter);
  }

  /** @throws Error with what `cox up` printed when it fails. */
  static async start(...flags: string[]): Promise<RunningCluster> {
    if (!existsSync(programFile("cox.js"))) throw new Error("build first: npm run build");
    const home = mkdtempSync(join(tmpdir(), "coxswain-"));
    const kubectl = await obtainKubectl(() => undefined);
    const cluster = new RunningCluster(home, await freePort(), kubectl);
    try {
      await cluster.up(...flags);
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  async up(...flags: string[]): Promise<void> {
    const up = await this.cox("up", "--detach", "--port", String(this.port), ...flags);
    if (up.code !== 0) throw new Error(`cox up failed (${up.code}):\n${up.stderr}${up.stdout}`);
  }

  /** Ends it and removes everything that it left on the machine. */
  async end(): Promise<void> {
    const down = await this.cox("down", "--purge");
    rmSync(this.#home, { recursive: true, force: true });
    if (down.code !== 0) throw new Error(`cox down failed:\n${down.stderr}${down.stdout}`);
  }

  /** Runs `cox` on this cluster. */
  cox(command: string, ...args: string[]): Promise<Finished> {
    const words = [programFile("cox.js"), command, "--data", this.data, ...args];
    return run(process.execPath, words, this.environment(), START_MS);
  }

  /** Runs shell text in which `kubectl` is the administrator of this cluster. */
  shell(text: string, environment: Record<string, string> = {}): Promise<Finished> {
    const all = this.environment(environment);
    return run("bash", ["-c", PRELUDE + text], all, SHELL_MS);
  }

  /** As `shell`; answers the output. @throws Error when it fails. */
  async must(text: string, environment: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.shell(text, environment);
    if (code !== 0) throw new Error(`${text}\nfailed (${code}):\n${stderr}${stdout}`);
    return stdout;
  }

  /** A kubeconfig whose current namespace is the given one, which is created. */
  async namespace(name: string): Promise<Record<string, string>> {
    const file = join(this.#home, `kubeconfig-${name}`);
    copyFileSync(join(this.data, "kubeconfig"), file);
    const environment = { KUBECONFIG: file };
    await this.must(`kubectl create namespace ${name}`, environment);
    await this.must(`kubectl config set-context --current --namespace ${name}`, environment);
    return environment;
  }

  environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
    const scratch = join(this.#home, "scratch");
    mkdirSync(scratch, { recursive: true });
    return {
      ...process.env,
      PATH: this.#path,
      HOME: this.#home,
      KUBECONFIG: join(this.data, "kubeconfig"),
      DATA: this.data,
      SCRATCH: scratch,
      EXAMPLES: join(repository(), "examples"),
      ...more,
    };
  }

  /** The pid of one of the cluster's processes. */
  pidOf(name: string): number {
    return Number(readFileSync(join(this.data, "run", `${name}.pid`), "utf8").trim());
  }
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 9_000);
    if (await isFree(port)) return port;
  }
}

/** Runs a program to its end; what it leaves running goes on. */
export function run(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeout: number,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("utf8");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString("utf8");
    });
    child.once("error", reject);
    // Not "close": what `cox up` leaves running holds no pipe of ours, but may hold one of bash's.
    child.once("exit", (code, signal) => {
      if (signal !== null) stderr += `\nended by ${signal}\n`;
      setImmediate(() => resolve({ code, stdout, stderr }));
    });
  });
}

/** Minor version of the machine's kubectl: older ones lack some commands. */
export function kubectlMinor(cluster: RunningCluster): number {
  const { stdout } = spawnSync("kubectl", ["version", "--client", "-o", "json"], {
    env: cluster.environment(),
    encoding: "utf8",
  });
  return Number(/"minor": "(\d+)/.exec(stdout)?.[1] ?? 0);
}
