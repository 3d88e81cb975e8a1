import { join } from "node:path";

/** Where the kubelet keeps what belongs to pods on the node's disk. */
export class KubeletPaths {
  readonly root: string;
  readonly logs: string;

  /** `root` holds `pods/<uid>/...`; `logs` the container logs. */
  constructor(root: string, logs: string) {
    this.root = root;
    this.logs = logs;
  }

  get pods(): string {
    return join(this.root, "pods");
  }

  get seccomp(): string {
    return join(this.root, "seccomp");
  }

  pod(uid: string): string {
    return join(this.pods, uid);
  }

  volume(uid: string, plugin: string, name: string): string {
    return join(this.pod(uid), "volumes", `kubernetes.io~${plugin}`, name);
  }

  etcHosts(uid: string): string {
    return join(this.pod(uid), "etc-hosts");
  }

  terminationMessage(uid: string, container: string, restartCount: number): string {
    return join(this.pod(uid), "containers", container, String(restartCount));
  }

  podLogs(namespace: string, name: string, uid: string): string {
    return join(this.logs, `${namespace}_${name}_${uid}`);
  }
}

/** A container's log file, relative to its pod's log directory. */
export function logFile(container: string, restartCount: number): string {
  return join(container, `${restartCount}.log`);
}
