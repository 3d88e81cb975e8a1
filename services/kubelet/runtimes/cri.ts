import { CriClient } from "../cri/client.ts";
import { openPortForward } from "../cri/port-forward.ts";
import { openSession } from "../cri/session.ts";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type ContainerSession,
  type ContainerSummary,
  type ExecOptions,
  type ExecResult,
  type ImageStatus,
  type PortConnection,
  type RegistryCredentials,
  type RuntimeContainerState,
  type RuntimeContainerStatus,
  RuntimeError,
  type SandboxConfig,
  type SandboxMetadata,
  type SandboxStatus,
  type SandboxSummary,
  type SessionOptions,
} from "./runtime.ts";

/** Deadlines of calls, milliseconds. */
const CALL_MS = 30_000;
const LIST_MS = 10_000;
const SANDBOX_MS = 240_000;
const PULL_MS = 900_000;
const EXEC_MS = 24 * 3600 * 1000;
/** What a stop may take beyond its grace period. */
const STOP_SLACK_MS = 30_000;
/** How long after the end of an event stream it is opened again. */
const EVENTS_AGAIN_MS = 1_000;

export interface CriRuntimeOptions {
  /** The socket: its absolute path, or `unix:///path`. */
  readonly endpoint: string;
  /** Wall clock, for deadlines. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
}

/** A runtime that speaks CRI over a socket: containerd, CRI-O. */
export class CriRuntime implements ContainerRuntime {
  readonly name: string;
  readonly #client: CriClient;
  readonly #options: CriRuntimeOptions;

  private constructor(name: string, client: CriClient, options: CriRuntimeOptions) {
    this.name = name;
    this.#client = client;
    this.#options = options;
  }

  /** Connects; the runtime must answer. @throws RuntimeError. */
  static async connect(options: CriRuntimeOptions): Promise<CriRuntime> {
    const client = new CriClient(options.endpoint, options.now);
    try {
      const answer = await client.runtime<VersionAnswer>("Version", {}, LIST_MS);
      return new CriRuntime(answer.runtimeName, client, options);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async version(): Promise<string> {
    const answer = await this.#client.runtime<VersionAnswer>("Version", {}, LIST_MS);
    return answer.runtimeVersion.replace(/^v/, "");
  }

  async problems(): Promise<readonly string[]> {
    const answer = await this.#client.runtime<StatusAnswer>("Status", {}, LIST_MS);
    return (answer.status?.conditions ?? [])
      .filter(({ type, status }) => !status && (type === "RuntimeReady" || type === "NetworkReady"))
      .map(({ type, reason, message }) => {
        const part = type === "NetworkReady" ? "container runtime network" : "container runtime";
        return `${part} not ready: ${type}=false reason:${reason} message:${message}`;
      });
  }

  async listSandboxes(): Promise<readonly SandboxSummary[]> {
    const answer = await this.#client.runtime<{ items: RawSandbox[] }>(
      "ListPodSandbox",
      {},
      LIST_MS,
    );
    return answer.items.map(sandboxSummary);
  }

  async listContainers(): Promise<readonly ContainerSummary[]> {
    const answer = await this.#client.runtime<{ containers: RawContainer[] }>(
      "ListContainers",
      {},
      LIST_MS,
    );
    return answer.containers.map((raw) => ({
      id: raw.id,
      sandbox: raw.podSandboxId,
      metadata: { name: raw.metadata?.name ?? "", attempt: raw.metadata?.attempt ?? 0 },
      state: containerState(raw.state),
      createdAt: milliseconds(raw.createdAt),
      labels: raw.labels,
      annotations: raw.annotations,
    }));
  }

  async sandboxStatus(id: string): Promise<SandboxStatus | undefined> {
    const answer = await unlessGone(
      this.#client.runtime<{ status: RawSandbox | null }>(
        "PodSandboxStatus",
        { podSandboxId: id },
        LIST_MS,
      ),
    );
    const raw = answer?.status;
    if (!raw) return undefined;
    const ips = [raw.network?.ip ?? "", ...(raw.network?.additionalIps ?? []).map(({ ip }) => ip)];
    return { ...sandboxSummary(raw), ips: ips.filter((ip) => ip !== "") };
  }

  async containerStatus(id: string): Promise<RuntimeContainerStatus | undefined> {
    const answer = await unlessGone(
      this.#client.runtime<{ status: RawStatus | null }>(
        "ContainerStatus",
        { containerId: id },
        LIST_MS,
      ),
    );
    const raw = answer?.status;
    if (!raw) return undefined;
    return {
      id: raw.id,
      state: containerState(raw.state),
      createdAt: milliseconds(raw.createdAt),
      startedAt: milliseconds(raw.startedAt),
      finishedAt: milliseconds(raw.finishedAt),
      exitCode: raw.exitCode,
      reason: raw.reason,
      message: raw.message,
      image: raw.image?.image ?? "",
      imageRef: raw.imageRef,
      logPath: raw.logPath,
      labels: raw.labels,
      annotations: raw.annotations,
    };
  }

  async runSandbox(config: SandboxConfig): Promise<string> {
    const answer = await this.#client.runtime<{ podSandboxId: string }>(
      "RunPodSandbox",
      { config },
      SANDBOX_MS,
    );
    return answer.podSandboxId;
  }

  async stopSandbox(id: string): Promise<void> {
    await unlessGone(this.#client.runtime("StopPodSandbox", { podSandboxId: id }, SANDBOX_MS));
  }

  async removeSandbox(id: string): Promise<void> {
    await unlessGone(this.#client.runtime("RemovePodSandbox", { podSandboxId: id }, SANDBOX_MS));
  }

  async createContainer(
    sandbox: string,
    config: ContainerConfig,
    sandboxConfig: SandboxConfig,
  ): Promise<string> {
    const answer = await this.#client.runtime<{ containerId: string }>(
      "CreateContainer",
      { podSandboxId: sandbox, config, sandboxConfig },
      SANDBOX_MS,
    );
    return answer.containerId;
  }

  async startContainer(id: string): Promise<void> {
    await this.#client.runtime("StartContainer", { containerId: id }, SANDBOX_MS);
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    const deadline = graceSeconds * 1000 + STOP_SLACK_MS;
    await unlessGone(
      this.#client.runtime("StopContainer", { containerId: id, timeout: graceSeconds }, deadline),
    );
  }

  async removeContainer(id: string): Promise<void> {
    await unlessGone(this.#client.runtime("RemoveContainer", { containerId: id }, CALL_MS));
  }

  async reopenLog(id: string): Promise<void> {
    await this.#client.runtime("ReopenContainerLog", { containerId: id }, CALL_MS);
  }

  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult> {
    const request = { containerId: id, cmd: command, timeout: timeoutSeconds };
    // The runtime keeps the limit (0: none); the deadline is for one that does not answer at all.
    const deadlineMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 5_000 : EXEC_MS;
    return this.#client.runtime("ExecSync", request, deadlineMs);
  }

  async exec(id: string, options: ExecOptions): Promise<ContainerSession> {
    const { command, ...streams } = options;
    const request = {
      containerId: id,
      cmd: command,
      ...streams,
      stderr: options.stderr && !options.tty,
    };
    const { url } = await this.#client.runtime<{ url: string }>("Exec", request, CALL_MS);
    return openSession(url, options, this.#options.after);
  }

  async attach(id: string, options: SessionOptions): Promise<ContainerSession> {
    const request = { containerId: id, ...options, stderr: options.stderr && !options.tty };
    const { url } = await this.#client.runtime<{ url: string }>("Attach", request, CALL_MS);
    return openSession(url, options, this.#options.after);
  }

  async portForward(sandbox: string, port: number): Promise<PortConnection> {
    const request = { podSandboxId: sandbox, port: [port] };
    const { url } = await this.#client.runtime<{ url: string }>("PortForward", request, CALL_MS);
    return openPortForward(url, port, this.#options.after);
  }

  async imageStatus(image: string): Promise<ImageStatus | undefined> {
    const answer = await this.#client.image<{ image: RawImage | null }>(
      "ImageStatus",
      { image: { image } },
      LIST_MS,
    );
    return answer.image?.id ? imageStatus(answer.image) : undefined;
  }

  async pullImage(image: string, credentials: RegistryCredentials | undefined): Promise<string> {
    const request = { image: { image }, ...(credentials ? { auth: credentials } : {}) };
    const answer = await this.#client.image<{ imageRef: string }>("PullImage", request, PULL_MS);
    return answer.imageRef;
  }

  async listImages(): Promise<readonly ImageStatus[]> {
    const answer = await this.#client.image<{ images: RawImage[] }>("ListImages", {}, LIST_MS);
    return answer.images.map(imageStatus);
  }

  watch(changed: (podUid: string) => void): () => void {
    let stopped = false;
    let cancel = (): void => undefined;
    const open = (): void => {
      if (stopped) return;
      const stream = this.#client.stream("GetContainerEvents");
      let supported = true;
      stream.on("data", (event: { podSandboxStatus?: RawSandbox }) => {
        const uid = event.podSandboxStatus?.metadata?.uid;
        if (uid) changed(uid);
      });
      // 12: UNIMPLEMENTED. Older runtimes have no events; the relist sees all a little later.
      stream.on("error", (error: { code?: number }) => {
        supported = error.code !== 12;
      });
      stream.on("close", () => {
        if (!stopped && supported) cancel = this.#options.after(EVENTS_AGAIN_MS, open);
      });
      cancel = () => stream.cancel();
    };
    open();
    return () => {
      stopped = true;
      cancel();
    };
  }

  close(): void {
    this.#client.close();
  }
}

/** What does not exist needs no stopping and has no status. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RuntimeError && error.code === "notFound") return undefined;
    throw error;
  }
}

function sandboxSummary(raw: RawSandbox): SandboxSummary {
  return {
    id: raw.id,
    metadata: raw.metadata ?? { name: "", uid: "", namespace: "", attempt: 0 },
    ready: raw.state === "SANDBOX_READY",
    createdAt: milliseconds(raw.createdAt),
    labels: raw.labels,
    annotations: raw.annotations,
  };
}

function imageStatus(raw: RawImage): ImageStatus {
  return {
    id: raw.id,
    tags: raw.repoTags,
    digests: raw.repoDigests,
    size: Number(raw.size),
    uid: raw.uid ? Number(raw.uid.value) : undefined,
    username: raw.username,
  };
}

/** Nanoseconds as the wire's decimal text: too large for a number. */
function milliseconds(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000_000n);
}

function containerState(state: string): RuntimeContainerState {
  return state.replace("CONTAINER_", "").toLowerCase() as RuntimeContainerState;
}

interface VersionAnswer {
  readonly runtimeName: string;
  readonly runtimeVersion: string;
}

interface StatusAnswer {
  readonly status: {
    readonly conditions: readonly {
      type: string;
      status: boolean;
      reason: string;
      message: string;
    }[];
  } | null;
}

interface RawSandbox {
  readonly id: string;
  readonly metadata: SandboxMetadata | null;
  readonly state: string;
  readonly createdAt: string;
  readonly network?: { readonly ip: string; readonly additionalIps: { ip: string }[] } | null;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

interface RawContainer {
  readonly id: string;
  readonly podSandboxId: string;
  readonly metadata: { readonly name: string; readonly attempt: number } | null;
  readonly state: string;
  readonly createdAt: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

interface RawStatus {
  readonly id: string;
  readonly state: string;
  readonly createdAt: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly image: { readonly image: string } | null;
  readonly imageRef: string;
  readonly reason: string;
  readonly message: string;
  readonly logPath: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

interface RawImage {
  readonly id: string;
  readonly repoTags: string[];
  readonly repoDigests: string[];
  readonly size: string;
  readonly uid: { readonly value: string } | null;
  readonly username: string;
}
