import type { StatusBody } from "../../../shared/actor/api.ts";

/**
 * What runs pods on a node, as the kubelet sees it: sandboxes (a pod's namespaces) and containers
 * in them. Its shape is the Container Runtime Interface, with times in milliseconds since the epoch
 * and enumerations as strings; `cri` passes it on, `process` does without a daemon.
 *
 * Every method rejects with RuntimeError. Stopping and removing what is gone succeeds.
 */
export interface ContainerRuntime {
  /** As in container ids and `kubectl get nodes -o wide`: `containerd`. */
  readonly name: string;
  version(): Promise<string>;
  /** Why pods cannot run now; empty when they can. */
  problems(): Promise<readonly string[]>;

  /** Everything there is, from the runtime itself. */
  listSandboxes(): Promise<readonly SandboxSummary[]>;
  listContainers(): Promise<readonly ContainerSummary[]>;
  /** Undefined: there is none with this id. */
  sandboxStatus(id: string): Promise<SandboxStatus | undefined>;
  containerStatus(id: string): Promise<RuntimeContainerStatus | undefined>;

  /** Creates and starts a sandbox. Same metadata and attempt as an existing one: an error. */
  runSandbox(config: SandboxConfig): Promise<string>;
  /** Kills what runs in it and releases its network. */
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;
  createContainer(sandbox: string, config: ContainerConfig, in_: SandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** SIGTERM (or the image's signal), after the grace period SIGKILL. Resolves when it is dead. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  /** Begins a new log file after the old one was renamed. */
  reopenLog(id: string): Promise<void>;

  /** Runs a command to its end. @throws RuntimeError with code `timeout` when it takes longer. */
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult>;
  exec(id: string, options: ExecOptions): Promise<ContainerSession>;
  attach(id: string, options: SessionOptions): Promise<ContainerSession>;
  /** Connects to a port inside the sandbox's network. */
  portForward(sandbox: string, port: number): Promise<PortConnection>;

  /** Undefined: the image is not on the node. */
  imageStatus(image: string): Promise<ImageStatus | undefined>;
  /** Resolves with the reference under which containers are created. */
  pullImage(image: string, credentials: RegistryCredentials | undefined): Promise<string>;
  listImages(): Promise<readonly ImageStatus[]>;

  /** Calls `changed` when something may have happened in a pod; nothing where unsupported. */
  watch(changed: (podUid: string) => void): () => void;
  close(): void;
}

/** Why the runtime did not do what it was asked to. */
export class RuntimeError extends Error {
  readonly code: "unavailable" | "notFound" | "timeout" | "failed";
  constructor(code: RuntimeError["code"], message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

export interface SandboxSummary {
  readonly id: string;
  readonly metadata: SandboxMetadata;
  readonly ready: boolean;
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface SandboxStatus extends SandboxSummary {
  /** Empty with the host's network. */
  readonly ips: readonly string[];
}

export interface ContainerSummary {
  readonly id: string;
  readonly sandbox: string;
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly state: RuntimeContainerState;
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export type RuntimeContainerState = "created" | "running" | "exited" | "unknown";

export interface RuntimeContainerStatus {
  readonly id: string;
  readonly state: RuntimeContainerState;
  readonly createdAt: number;
  /** 0: not started, not finished. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  /** The image's name as the user gave it, and its digest or id. */
  readonly image: string;
  readonly imageRef: string;
  readonly logPath: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface SandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly attempt: number;
}

export type NamespaceMode = "POD" | "CONTAINER" | "NODE" | "TARGET";

export interface NamespaceOptions {
  readonly network: NamespaceMode;
  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly targetId?: string;
}

export interface SeccompProfile {
  readonly profileType: "RuntimeDefault" | "Unconfined" | "Localhost";
  readonly localhostRef?: string;
}

export interface SandboxConfig {
  readonly metadata: SandboxMetadata;
  readonly hostname: string;
  readonly logDirectory: string;
  readonly dnsConfig?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly portMappings: readonly {
    readonly protocol: "TCP" | "UDP" | "SCTP";
    readonly containerPort: number;
    readonly hostPort: number;
    readonly hostIp: string;
  }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: {
    readonly cgroupParent: string;
    readonly sysctls?: Readonly<Record<string, string>>;
    readonly securityContext: {
      readonly namespaceOptions: NamespaceOptions;
      readonly runAsUser?: { readonly value: number };
      readonly runAsGroup?: { readonly value: number };
      readonly supplementalGroups: readonly number[];
      readonly privileged: boolean;
      readonly seccomp?: SeccompProfile;
    };
  };
}

export interface ContainerMount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly: boolean;
  readonly propagation:
    | "PROPAGATION_PRIVATE"
    | "PROPAGATION_HOST_TO_CONTAINER"
    | "PROPAGATION_BIDIRECTIONAL";
}

export interface ContainerConfig {
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly image: { readonly image: string };
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly mounts: readonly ContainerMount[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Relative to the sandbox's log directory. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly linux: {
    readonly resources: LinuxResources;
    readonly securityContext: ContainerSecurity;
  };
}

export interface LinuxResources {
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuShares: number;
  readonly memoryLimitInBytes: number;
  readonly oomScoreAdj: number;
}

export interface ContainerSecurity {
  readonly capabilities?: {
    readonly addCapabilities: readonly string[];
    readonly dropCapabilities: readonly string[];
  };
  readonly privileged: boolean;
  readonly namespaceOptions: NamespaceOptions;
  readonly runAsUser?: { readonly value: number };
  readonly runAsGroup?: { readonly value: number };
  readonly runAsUsername?: string;
  readonly readonlyRootfs: boolean;
  readonly supplementalGroups: readonly number[];
  readonly noNewPrivs: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SeccompProfile;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface SessionOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface ExecOptions extends SessionOptions {
  readonly command: readonly string[];
}

/** A process whose streams are held: an exec, or an attach. */
export interface ContainerSession {
  /** Output, in order, until the session ends; each chunk is asked for by its reader. */
  read(): AsyncIterable<{ readonly channel: "stdout" | "stderr"; readonly data: Uint8Array }>;
  /** Resolves when the process's side has room for more. */
  write(data: Uint8Array): Promise<void>;
  closeStdin(): void;
  resize(width: number, height: number): void;
  /** The Status with which it ended: Success, or Failure with the exit code as its cause. */
  readonly ended: Promise<StatusBody>;
  close(): void;
}

export interface PortConnection {
  read(): AsyncIterable<Uint8Array>;
  write(data: Uint8Array): Promise<void>;
  /** No more is written; the other direction stays. */
  end(): void;
  close(): void;
  /** Resolves when it is over: undefined, or why it failed. */
  readonly ended: Promise<string | undefined>;
}

export interface ImageStatus {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly size: number;
  /** The user that the image asks for: a number, a name, or neither. */
  readonly uid: number | undefined;
  readonly username: string;
}

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
  readonly serverAddress: string;
}
