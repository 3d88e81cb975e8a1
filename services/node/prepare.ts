import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../../shared/actor/dependencies.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { snapshotterFor } from "./capabilities.ts";
import { removeCgroup } from "./cgroups.ts";
import { findPlugins, forgetAddresses, writeConflist } from "./cni.ts";
import { type Command, must } from "./command.ts";
import { endContainers, unescapeMount, unmountBelow } from "./containerd/cleanup.ts";
import { containerdConfig, mirrorForAll, mirrorOnly } from "./containerd/config.ts";
import { type Daemon, startDaemon } from "./containerd/process.ts";
import { LOCAL_REGISTRY } from "./images/catalog.ts";
import { type Registry, startRegistry } from "./images/registry.ts";
import { ensureImages } from "./images/store.ts";
import { type NodeLayout, type NodePlace, nodeLayout, runDirectory } from "./layout.ts";
import { mtu, plugHost, plugNode, unplugHost, unplugNode } from "./links.ts";
import type { ClusterNetwork } from "./network.ts";
import { findProgram } from "./programs.ts";

export interface Machine {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly command: Command;
}

/** A node on which pods can be started through CRI. */
export interface PreparedNode {
  readonly layout: NodeLayout;
  /** containerd's CRI socket, an absolute path; reachable from every network namespace. */
  readonly criSocket: string;
  /** The node's InternalIP. */
  readonly address: string;
  readonly podCidr: string;
  /** Network namespace (a path) of the node; undefined: the host's. */
  readonly networkNamespace: string | undefined;
  /** Folder below which the kubelet makes volumes; mounts in it reach containers. */
  readonly kubeletDirectory: string;
  /** Parent of the control groups of all pods; `removeNode` removes it. */
  readonly cgroupRoot: string;
  readonly containerd: Daemon;
  /** Stops the registry and the watch over containerd. Containers and containerd go on. */
  release(): Promise<void>;
}

/**
 * Gives the machine what all nodes of a cluster need: the bridge, the host's address on it, routes.
 * Repeatable; `prepareNode` does it as well.
 */
export async function prepareHost(machine: Machine, network: ClusterNetwork): Promise<void> {
  await plugHost(machine.command, network);
}

/** Takes the cluster's bridge, routes and packet filter away. After the last `removeNode`. */
export async function removeHost(
  machine: Machine,
  network: ClusterNetwork,
  dataDirectory: string,
): Promise<void> {
  await unplugHost(machine.command, network);
  rmSync(runDirectory(dataDirectory), { recursive: true, force: true });
}

/**
 * Brings a node up to where its kubelet can start pods: network, images, registry mirror,
 * containerd. Whatever is there already is kept: a containerd that runs is adopted, with its pods.
 * @throws Error with the reason when something that it needs is missing (see packages.ts).
 */
export async function prepareNode(machine: Machine, place: NodePlace): Promise<PreparedNode> {
  const layout = nodeLayout(place);
  const plugins = findPlugins();
  const binary = findProgram("containerd");
  const runc = findProgram("runc");
  if (plugins === undefined)
    throw new Error("the CNI plugins ptp, host-local and loopback are missing");
  if (binary === undefined || runc === undefined) throw new Error("containerd or runc is missing");
  await prepareHost(machine, place.network);
  await plugNode(machine.command, place.network, layout.network);
  await shareMounts(machine.command, layout.kubelet);
  writeConflist({
    configDirectory: layout.cniConfig,
    addressDirectory: layout.cniAddresses,
    networkName: layout.cniNetwork,
    podCidr: layout.network.podCidr,
    mtu: mtu(),
  });
  const registry = await serveImages(machine, place, layout);
  try {
    const daemon = await startContainerd(machine, layout, { plugins, binary, runc });
    return {
      layout,
      criSocket: layout.socket,
      address: layout.network.address,
      podCidr: layout.network.podCidr,
      networkNamespace: layout.network.namespace,
      kubeletDirectory: layout.kubelet,
      cgroupRoot: layout.cgroup,
      containerd: daemon,
      release: async () => {
        daemon.release();
        await registry.close();
      },
    };
  } catch (error) {
    await registry.close();
    throw error;
  }
}

/**
 * Ends the node's pods and its containerd, and takes its network and mounts away. Data stays on
 * disk: the next `prepareNode` finds the node as after a reboot. Repeatable.
 */
export async function removeNode(machine: Machine, place: NodePlace): Promise<void> {
  const layout = nodeLayout(place);
  await endContainers({ ...machine, ...layout });
  await unmountBelow(machine.command, layout.kubelet);
  removeCgroup(layout.cgroup);
  forgetAddresses({ addressDirectory: layout.cniAddresses, networkName: layout.cniNetwork });
  await unplugNode(machine.command, place.network, layout.network);
  rmSync(layout.run, { recursive: true, force: true });
}

interface Programs {
  readonly plugins: string;
  readonly binary: string;
  readonly runc: string;
}

/** Starts or adopts the node's containerd; everything else must be in place. */
export async function startContainerd(
  machine: Machine,
  layout: NodeLayout,
  programs: Programs,
): Promise<Daemon> {
  const isolated = layout.network.namespace !== undefined;
  return startDaemon({
    runtime: machine.runtime,
    logger: machine.logger,
    configFile: layout.configFile,
    config: containerdConfig({
      root: layout.root,
      state: layout.state,
      socket: layout.socket,
      cniConfig: layout.cniConfig,
      cniPlugins: programs.plugins,
      certificates: layout.certificates,
      // The kubelet is on the host: an isolated node's loopback would be out of its reach.
      streamAddress: isolated ? layout.network.address : "127.0.0.1",
      runc: programs.runc,
      snapshotter: snapshotterFor(layout.root),
      restrictOomScore: !mayLowerOomScore(),
    }),
    socket: layout.socket,
    logFile: layout.logFile,
    pidFile: layout.pidFile,
    binary: programs.binary,
    namespace: layout.network.namespace,
  });
}

/** Each node's process serves the images to its own containerd: no process is needed by all. */
async function serveImages(
  machine: Machine,
  place: NodePlace,
  layout: NodeLayout,
): Promise<Registry> {
  const { store } = await ensureImages(layout.images, machine.command);
  const registry = await startRegistry({
    store,
    logger: machine.logger,
    address: place.network.hostAddress,
    port: 0,
  });
  for (const [name, text] of [
    ["_default", mirrorForAll(registry.url)],
    [LOCAL_REGISTRY, mirrorOnly(registry.url)],
  ] as const) {
    const folder = join(layout.certificates, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "hosts.toml"), text);
  }
  return registry;
}

const CAP_SYS_RESOURCE = 24n;

function mayLowerOomScore(): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return ((BigInt(`0x${bounding ?? "0"}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
}

/**
 * Makes the folder a mount of its own whose mounts are passed on into containers
 * (mountPropagation), unless the file system that it is on does so already.
 */
export async function shareMounts(command: Command, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (isShared(folder)) return;
  if (mountOf(folder)?.place !== folder) await must(command, "mount", ["--bind", folder, folder]);
  await must(command, "mount", ["--make-rshared", folder]);
}

function isShared(folder: string): boolean {
  return mountOf(folder)?.shared ?? false;
}

/** The mount that the folder is on. */
function mountOf(folder: string): { place: string; shared: boolean } | undefined {
  let found: { place: string; shared: boolean } | undefined;
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const fields = line.split(" ");
    const place = unescapeMount(fields[4] ?? "");
    const inside = place === "/" || folder === place || folder.startsWith(`${place}/`);
    if (line === "" || !inside || place.length < (found?.place.length ?? 0)) continue;
    const options = fields.slice(6, fields.indexOf("-"));
    found = { place, shared: options.some((option) => option.startsWith("shared:")) };
  }
  return found;
}
