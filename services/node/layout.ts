import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ClusterNetwork, type NodeNetwork, nodeNetwork } from "./network.ts";

/** Which node of which cluster. */
export interface NodePlace {
  /** Absolute path of the cluster's data folder. */
  readonly dataDirectory: string;
  readonly node: string;
  /** The node's number in its cluster, from 0; no other node may have had it. */
  readonly index: number;
  /** True: a network namespace of its own. False: the node is the host itself. */
  readonly isolated: boolean;
  readonly network: ClusterNetwork;
}

/** Where a node keeps what. */
export interface NodeLayout {
  readonly network: NodeNetwork;
  readonly root: string;
  readonly configFile: string;
  readonly certificates: string;
  readonly cniConfig: string;
  readonly cniAddresses: string;
  /** Name of the pod network, unique on the machine. */
  readonly cniNetwork: string;
  /** The kubelet's folder: mounts made below it are passed on into containers. */
  readonly kubelet: string;
  /** Parent of the control groups of the node's pods. */
  readonly cgroup: string;
  readonly images: string;
  readonly logFile: string;
  readonly pidFile: string;
  /** What lives as long as the machine runs; a short path, since sockets lie in it. */
  readonly run: string;
  readonly socket: string;
  readonly state: string;
}

/** Everything that lasts until the next boot: /run is emptied then, as are networks and mounts. */
const RUN_DIRECTORY = "/run/coxswain";

/** The cluster's folder below /run/coxswain. */
export function runDirectory(dataDirectory: string): string {
  const name = createHash("sha256").update(dataDirectory).digest("hex").slice(0, 10);
  return join(RUN_DIRECTORY, name);
}

export function nodeLayout(place: NodePlace): NodeLayout {
  const folder = join(place.dataDirectory, "nodes", place.node);
  const run = join(runDirectory(place.dataDirectory), `n${place.index}`);
  return {
    network: nodeNetwork(place.network, place.node, place.index, place.isolated),
    root: join(folder, "containerd", "root"),
    configFile: join(folder, "containerd", "config.toml"),
    certificates: join(folder, "containerd", "certs.d"),
    cniConfig: join(folder, "cni", "net.d"),
    cniAddresses: join(folder, "cni", "addresses"),
    cniNetwork: `${place.network.bridge}-${place.node}`,
    kubelet: join(folder, "kubelet"),
    cgroup: `/coxswain-${place.network.slot}/${place.node}`,
    images: join(place.dataDirectory, "images"),
    logFile: join(place.dataDirectory, "log", `containerd-${place.node}.log`),
    pidFile: join(place.dataDirectory, "run", `containerd-${place.node}.pid`),
    run,
    socket: join(run, "containerd.sock"),
    state: join(run, "state"),
  };
}
