import { PAUSE_IMAGE } from "../images/catalog.ts";

export interface ContainerdOptions {
  /** Images and container metadata; survives reboots. */
  readonly root: string;
  /** Mounts and sockets of what runs; must be short, since a socket's path ends at 107 bytes. */
  readonly state: string;
  readonly socket: string;
  /** CNI configuration folder and plugins. */
  readonly cniConfig: string;
  readonly cniPlugins: string;
  /** Folder with hosts.toml files (the registry mirror). */
  readonly certificates: string;
  /** Address of the streaming server for exec, attach and port-forward. */
  readonly streamAddress: string;
  readonly runc: string;
  readonly snapshotter: "overlayfs" | "native";
  /**
   * True where this process may not make others less likely to be killed by the kernel's
   * out-of-memory killer (no CAP_SYS_RESOURCE): pause containers ask for that, and would not start.
   */
  readonly restrictOomScore: boolean;
}

/** A Unix socket's path must be shorter than this (sun_path, with the closing zero). */
export const SOCKET_PATH_MAX = 107;

const UNUSED_PLUGINS = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
];

/**
 * containerd's configuration (format 2: 1.6 and 1.7 read it, 2.x converts it).
 * @throws RangeError when the socket's path is too long.
 */
export function containerdConfig(options: ContainerdOptions): string {
  const ttrpc = `${options.socket}.ttrpc`;
  if (Buffer.byteLength(ttrpc) > SOCKET_PATH_MAX) {
    throw new RangeError(`socket path longer than ${SOCKET_PATH_MAX} bytes: ${ttrpc}`);
  }
  const text = (value: string): string => JSON.stringify(value);
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${text(options.root)}
state = ${text(options.state)}
disabled_plugins = [${UNUSED_PLUGINS.map(text).join(", ")}]

# Its information messages are several for every container.
[debug]
  level = "warn"
[grpc]
  address = ${text(options.socket)}
[ttrpc]
  address = ${text(ttrpc)}

[${cri}]
  sandbox_image = ${text(PAUSE_IMAGE)}
  stream_server_address = ${text(options.streamAddress)}
  stream_server_port = "0"
  restrict_oom_score_adj = ${options.restrictOomScore}
  netns_mounts_under_state_dir = true
  # Ports below 1024 and ping need no privilege in a pod: its network is its own.
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  [${cri}.cni]
    bin_dir = ${text(options.cniPlugins)}
    conf_dir = ${text(options.cniConfig)}
    max_conf_num = 1
  [${cri}.containerd]
    snapshotter = ${text(options.snapshotter)}
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        BinaryName = ${text(options.runc)}
        Root = ${text(`${options.state}/runc`)}
        SystemdCgroup = false
  [${cri}.registry]
    config_path = ${text(options.certificates)}
`;
}

/** hosts.toml for all registries: ask the mirror first, then the registry itself. */
export function mirrorForAll(url: string): string {
  return `[host.${JSON.stringify(url)}]\n  capabilities = ["pull", "resolve"]\n`;
}

/** hosts.toml for the registry that only exists as the mirror: nobody else is asked. */
export function mirrorOnly(url: string): string {
  return `server = ${JSON.stringify(url)}\n${mirrorForAll(url)}`;
}
