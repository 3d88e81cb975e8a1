/** What played nodes and the pods on them look like. */

export const PREFIX = "played-";
const LEASE_SECONDS = 40;
const PODS_PER_NODE = 110;

export interface PlayedNode {
  readonly name: string;
  readonly address: string;
  /** The first three numbers of its pods' addresses. */
  readonly subnet: string;
  /** How many pods have got an address here. */
  pods: number;
}

export interface PlayedPod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
}

interface Container {
  readonly name: string;
  readonly image: string;
}

export function playedNode(index: number): PlayedNode {
  const [high, low] = [index >> 8, index & 255];
  const name = `${PREFIX}${String(index).padStart(4, "0")}`;
  return { name, address: `100.64.${high}.${low}`, subnet: `10.${100 + high}.${low}`, pods: 0 };
}

export function nodeBody({ name, address }: PlayedNode, now: Date): object {
  const at = timestamp(now);
  const condition = (type: string, status: string, reason: string) => {
    return { type, status, reason, lastHeartbeatTime: at, lastTransitionTime: at };
  };
  const room = { cpu: "32", memory: "256Gi", pods: String(PODS_PER_NODE) };
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels },
    status: {
      capacity: room,
      allocatable: room,
      conditions: [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        condition("Ready", "True", "KubeletReady"),
      ],
      addresses: [
        { type: "InternalIP", address },
        { type: "Hostname", address: name },
      ],
      nodeInfo: {
        machineID: name,
        systemUUID: name,
        bootID: name,
        kernelVersion: "played",
        osImage: "played",
        containerRuntimeVersion: "played://1",
        kubeletVersion: "v1.35.0",
        kubeProxyVersion: "",
        operatingSystem: "linux",
        architecture: "amd64",
      },
    },
  };
}

/** `metadata`: of the Lease to be written over. */
export function leaseBody(name: string, now: Date, metadata: object = { name }): object {
  const renewTime = now.toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
}

/** A strategic merge patch: everything of the pod runs and is ready. */
export function podStatus({ metadata, spec }: PlayedPod, node: PlayedNode, now: Date): object {
  const at = timestamp(now);
  const podIP = spec.hostNetwork ? node.address : `${node.subnet}.${(node.pods++ % 254) + 1}`;
  const condition = (type: string) => ({ type, status: "True", lastTransitionTime: at });
  const of = ({ name, image }: Container, state: object, started: boolean) => {
    const containerID = `played://${metadata.uid}/${name}`;
    return {
      name,
      image,
      imageID: image,
      containerID,
      ready: true,
      started,
      restartCount: 0,
      state,
    };
  };
  const running = { running: { startedAt: at } };
  const completed = {
    terminated: { exitCode: 0, reason: "Completed", startedAt: at, finishedAt: at },
  };
  const initialized = spec.initContainers?.map((each) => of(each, completed, false));
  return {
    metadata: { uid: metadata.uid },
    status: {
      phase: "Running",
      conditions: ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"].map(
        condition,
      ),
      hostIP: node.address,
      hostIPs: [{ ip: node.address }],
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: at,
      ...(initialized && { initContainerStatuses: initialized }),
      containerStatuses: spec.containers.map((each) => of(each, running, true)),
    },
  };
}

/** To the second, as metav1.Time is written. */
function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d+/, "");
}
