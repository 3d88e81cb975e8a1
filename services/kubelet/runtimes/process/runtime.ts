import { execFile, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Cancel, Runtime } from "../../../../shared/runtime/runtime.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type ContainerSession,
  type ContainerSummary,
  type ExecOptions,
  type ExecResult,
  type ImageStatus,
  type PortConnection,
  type RuntimeContainerStatus,
  RuntimeError,
  type SandboxConfig,
  type SandboxStatus,
  type SandboxSummary,
} from "../runtime.ts";
import { copyLogs } from "./log-copier.ts";
import { enterWords, quote, startScript, unshareWords } from "./script.ts";
import { connectPort, spawnSession } from "./session.ts";
import {
  bootId,
  type ContainerRecord,
  childrenOf,
  type ProcessRecord,
  readExit,
  readRecord,
  type SandboxRecord,
  startTicks,
  writeRecord,
} from "./state.ts";

const COPY_MS = 100;
const POLL_MS = 10;
const BEGIN_MS = 20_000;
const OUTPUT_MOST_BYTES = 16 * 1024 * 1024;
const LOST = 137;

export interface ProcessRuntimeOptions {
  /** Where its state lies; containers are found again by it. */
  readonly directory: string;
  /** Addresses of the host, which all pods share. */
  readonly hostIPs: readonly string[];
  readonly runtime: Runtime;
}

/**
 * Pods as plain processes of the host, for machines where no container runtime can run. Each
 * container has its own view of processes, mounts and host name; its root is the host's with a
 * layer of its own above. What it cannot do it refuses or leaves out, and says so: there are no
 * images (a container needs a command), no pod network (pods share the host's), no limits.
 */
export class ProcessRuntime implements ContainerRuntime {
  readonly name = "process";
  readonly #options: ProcessRuntimeOptions;
  readonly #sandboxes: string;
  readonly #containers: string;
  readonly #root = process.getuid?.() === 0;
  readonly #boot = bootId();
  readonly #stopCopying: Cancel;
  /** Containers whose output has been copied to its end. */
  readonly #copied = new Set<string>();

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    this.#sandboxes = join(options.directory, "sandboxes");
    this.#containers = join(options.directory, "containers");
    mkdirSync(this.#sandboxes, { recursive: true });
    mkdirSync(this.#containers, { recursive: true });
    this.#stopCopying = options.runtime.timers.every(COPY_MS, () => this.#copyAll());
  }

  async version(): Promise<string> {
    return "1.0";
  }

  async problems(): Promise<readonly string[]> {
    return [];
  }

  async listSandboxes(): Promise<readonly SandboxSummary[]> {
    return readdirSync(this.#sandboxes).flatMap((id) => this.#sandbox(id) ?? []);
  }

  async listContainers(): Promise<readonly ContainerSummary[]> {
    return readdirSync(this.#containers).flatMap((id) => {
      const record = this.#container(id);
      if (!record) return [];
      const { config, sandbox, createdAt } = record;
      const { metadata, labels, annotations } = config;
      return [{ id, sandbox, metadata, state: this.#stateOf(id), createdAt, labels, annotations }];
    });
  }

  async sandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const summary = this.#sandbox(id);
    return summary && { ...summary, ips: this.#options.hostIPs };
  }

  async containerStatus(id: string): Promise<RuntimeContainerStatus | undefined> {
    const record = this.#container(id);
    if (!record) return undefined;
    const state = this.#stateOf(id);
    const exit = state === "exited" ? readExit(this.#folder(id)) : undefined;
    if (exit) this.#copy(id);
    const sandbox = this.#sandboxRecord(record.sandbox);
    return {
      id,
      state,
      createdAt: record.createdAt,
      startedAt: this.#process(id)?.startedAt ?? 0,
      finishedAt: exit?.at ?? 0,
      exitCode: exit?.code ?? 0,
      reason: "",
      message: "",
      image: record.config.image.image,
      imageRef: record.config.image.image,
      logPath: sandbox ? join(sandbox.config.logDirectory, record.config.logPath) : "",
      labels: record.config.labels,
      annotations: record.config.annotations,
    };
  }

  async runSandbox(config: SandboxConfig): Promise<string> {
    if (config.portMappings.some(({ hostPort, containerPort }) => hostPort !== containerPort)) {
      throw new RuntimeError("failed", "the process runtime maps no ports: pods share the host's");
    }
    const id = this.#freshId();
    const folder = join(this.#sandboxes, id);
    mkdirSync(folder);
    const createdAt = this.#options.runtime.clock.now();
    const record: SandboxRecord = { config, createdAt, boot: this.#boot };
    writeRecord(folder, "config.json", record);
    return id;
  }

  async stopSandbox(id: string): Promise<void> {
    const record = this.#sandboxRecord(id);
    if (!record) return;
    await Promise.all(this.#containersOf(id).map((container) => this.stopContainer(container, 0)));
    if (!record.stopped) {
      writeRecord(join(this.#sandboxes, id), "config.json", { ...record, stopped: true });
    }
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    for (const container of this.#containersOf(id)) await this.removeContainer(container);
    rmSync(join(this.#sandboxes, id), { recursive: true, force: true });
  }

  async createContainer(
    sandbox: string,
    config: ContainerConfig,
    sandboxConfig: SandboxConfig,
  ): Promise<string> {
    if (!this.#sandbox(sandbox)?.ready) throw new RuntimeError("failed", "the sandbox has ended");
    const id = this.#freshId();
    const folder = this.#folder(id);
    const stage = join(folder, "stage");
    const marker = join(folder, "begun");
    const script = startScript(config, sandboxConfig, { stage, root: this.#root, marker });
    mkdirSync(stage, { recursive: true });
    writeFileSync(join(folder, "start.sh"), script);
    const createdAt = this.#options.runtime.clock.now();
    const record: ContainerRecord = { config, sandbox, createdAt };
    writeRecord(folder, "config.json", record);
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const folder = this.#folder(id);
    if (!this.#container(id)) throw new RuntimeError("notFound", `no container ${id}`);
    const words = [...unshareWords(this.#root), "sh", join(folder, "start.sh")];
    // It waits for the container in the kubelet's stead, and may outlive it.
    const keeper = `${words.map(quote).join(" ")}; echo $? > exit.new; mv exit.new exit`;
    const stdout = openSync(join(folder, "stdout.raw"), "a");
    const stderr = openSync(join(folder, "stderr.raw"), "a");
    const child = spawn("sh", ["-c", keeper], {
      cwd: folder,
      detached: true,
      stdio: ["ignore", stdout, stderr],
    });
    closeSync(stdout);
    closeSync(stderr);
    child.unref();
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", () => resolve());
      child.once("error", (error) => reject(new RuntimeError("failed", error.message)));
    });
    const pid = child.pid as number;
    const startedAt = this.#options.runtime.clock.now();
    const record: ProcessRecord = { pid, startTicks: startTicks(pid) ?? "", startedAt };
    writeRecord(folder, "process", record);
    await this.#untilBegun(id);
  }

  /** Its namespaces and mounts are there, and its command begins. @throws RuntimeError. */
  async #untilBegun(id: string): Promise<void> {
    const folder = this.#folder(id);
    const { clock, timers } = this.#options.runtime;
    const deadline = clock.monotonic() + BEGIN_MS;
    while (!existsSync(join(folder, "begun"))) {
      if (this.#stateOf(id) === "exited") {
        const said = readFileSync(join(folder, "stderr.raw"), "utf8").trim();
        throw new RuntimeError("failed", `the container could not be set up: ${said}`);
      }
      if (clock.monotonic() >= deadline) {
        throw new RuntimeError("timeout", "the container was not set up in time");
      }
      await timers.sleep(POLL_MS);
    }
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    const { clock, timers } = this.#options.runtime;
    const deadline = clock.monotonic() + graceSeconds * 1000;
    let asked = false;
    while (this.#container(id) && this.#stateOf(id) === "running") {
      const pid = this.#main(id);
      if (clock.monotonic() >= deadline) signal(pid ?? this.#process(id)?.pid, "SIGKILL");
      else if (pid !== undefined && !asked) {
        asked = true;
        signal(pid, "SIGTERM");
      }
      await timers.sleep(POLL_MS);
    }
  }

  async removeContainer(id: string): Promise<void> {
    await this.stopContainer(id, 0);
    rmSync(this.#folder(id), { recursive: true, force: true });
    this.#copied.delete(id);
  }

  async reopenLog(): Promise<void> {
    // The log is opened for every line that is added.
  }

  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    const [program = "", ...rest] = this.#enter(id, command);
    const options = {
      timeout: timeoutSeconds * 1000,
      encoding: "buffer" as const,
      maxBuffer: OUTPUT_MOST_BYTES,
    };
    return new Promise((resolve, reject) => {
      execFile(program, rest, options, (error, stdout, stderr) => {
        if (error?.killed) reject(new RuntimeError("timeout", "the command took too long"));
        else {
          const exitCode = error ? (typeof error.code === "number" ? error.code : LOST) : 0;
          resolve({ exitCode, stdout, stderr });
        }
      });
    });
  }

  async exec(id: string, options: ExecOptions): Promise<ContainerSession> {
    return spawnSession(this.#enter(id, options.command), options);
  }

  async attach(): Promise<ContainerSession> {
    throw new RuntimeError("failed", "the process runtime cannot attach to what runs");
  }

  async portForward(_sandbox: string, port: number): Promise<PortConnection> {
    return connectPort(port);
  }

  async imageStatus(image: string): Promise<ImageStatus | undefined> {
    return { id: image, tags: [image], digests: [], size: 0, uid: undefined, username: "" };
  }

  async pullImage(image: string): Promise<string> {
    return image;
  }

  async listImages(): Promise<readonly ImageStatus[]> {
    return [];
  }

  watch(): () => void {
    return () => undefined;
  }

  close(): void {
    this.#stopCopying();
    this.#copyAll();
  }

  #freshId(): string {
    const bytes = this.#options.runtime.random.stream("process-runtime").bytes(16);
    return Buffer.from(bytes).toString("hex");
  }

  #folder(id: string): string {
    return join(this.#containers, id);
  }

  #container(id: string): ContainerRecord | undefined {
    return readRecord(this.#folder(id), "config.json");
  }

  #process(id: string): ProcessRecord | undefined {
    return readRecord(this.#folder(id), "process");
  }

  #sandboxRecord(id: string): SandboxRecord | undefined {
    return readRecord(join(this.#sandboxes, id), "config.json");
  }

  #sandbox(id: string): SandboxSummary | undefined {
    const record = this.#sandboxRecord(id);
    if (!record) return undefined;
    const { metadata, labels, annotations } = record.config;
    const ready = !record.stopped && record.boot === this.#boot;
    return { id, metadata, ready, createdAt: record.createdAt, labels, annotations };
  }

  #containersOf(sandbox: string): string[] {
    return readdirSync(this.#containers).filter((id) => this.#container(id)?.sandbox === sandbox);
  }

  #stateOf(id: string): "created" | "running" | "exited" {
    const folder = this.#folder(id);
    if (readExit(folder)) return "exited";
    const known = this.#process(id);
    if (!known) return "created";
    if (startTicks(known.pid) === known.startTicks) return "running";
    // Its keeper was killed, or the machine went down: nobody has noted how it ended.
    if (!readExit(folder)) writeFileSync(join(folder, "exit"), `${LOST}\n`);
    return "exited";
  }

  /** The container's own first process: the keeper's grandchild. */
  #main(id: string): number | undefined {
    const keeper = this.#process(id);
    const [unshare] = keeper ? childrenOf(keeper.pid) : [];
    return unshare === undefined ? undefined : childrenOf(unshare)[0];
  }

  #enter(id: string, command: readonly string[]): string[] {
    const pid = this.#main(id);
    if (pid === undefined) throw new RuntimeError("failed", `container ${id} does not run`);
    const { envs = [] } = this.#container(id)?.config ?? {};
    const variables = envs.map(({ key, value }) => `${key}=${value}`);
    return [...enterWords(pid, this.#root), "env", ...variables, ...command];
  }

  #copyAll(): void {
    for (const id of readdirSync(this.#containers)) if (!this.#copied.has(id)) this.#copy(id);
  }

  #copy(id: string): void {
    const record = this.#container(id);
    const sandbox = record && this.#sandboxRecord(record.sandbox);
    if (!record || !sandbox) return;
    const ended = this.#stateOf(id) === "exited";
    const log = join(sandbox.config.logDirectory, record.config.logPath);
    copyLogs(this.#folder(id), log, this.#options.runtime.clock.now(), ended);
    if (ended) this.#copied.add(id);
  }
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
