/** Starts etcd and the Kubernetes control plane in a folder, and ends them. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeKubeconfig } from "../../../services/apiserver/auth/kubeconfig.ts";
import { ensurePki } from "../../../services/apiserver/auth/pki.ts";
import { endAndWait, isAlive } from "../../../services/cli/pids.ts";
import { firstFree } from "../../../services/cli/ports.ts";
import { hostAddress } from "../../../services/cli/process-node.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { Client } from "../load/client.ts";
import { fromKubeconfig } from "../load/kubeconfig.ts";
import { type Process, sum, type Usage, usageOf } from "../load/processes.ts";

/** `peer.json`: what runs in a folder, for programs that measure it. */
export interface Peer {
  readonly name: string;
  readonly kubeconfig: string;
  readonly durability: string;
  /** Process ids by name. */
  readonly processes: Readonly<Record<string, number>>;
  /** Milliseconds from the spawn of etcd, the first process. */
  readonly startUp: {
    readonly readyz: number;
    /** The controllers work: there is a default service account. */
    readonly controllers: number;
  };
  /** Some seconds after that, with nothing to do. */
  readonly idle: { readonly cpuPercent: number; readonly processes: readonly Usage[] };
}

const DURABILITY = "every write synced, as etcd does by default";
const FIRST_PORT = 26_443;
const SETTLE_MS = 10_000;
const IDLE_MS = 5_000;
const START_MS = 120_000;
const GRACE_MS = 10_000;
const SERVICES = "10.96.0.0/16";
/** Requests a second of a client: above what anything here reaches. */
const CLIENT_RATE = { qps: 5_000, burst: 10_000 };
const AGENTS = ["kube-controller-manager", "kube-scheduler"] as const;

export async function startPeers(
  directory: string,
  programs: { etcd: string; kubernetes: string },
  name: string,
): Promise<Peer> {
  mkdirSync(join(directory, "log"), { recursive: true });
  const ports = await freePorts(4);
  const [port = 0, etcdPort = 0, etcdPeerPort = 0, metricsPort = 0] = ports;
  const files = writeFiles(directory, port);
  const processes: Record<string, number> = {};
  const start = (program: string, folder: string, args: readonly string[]): void => {
    const log = openSync(join(directory, "log", `${program}.log`), "a");
    const stdio = ["ignore", log, log] as const;
    const options = { detached: true, stdio: [...stdio], cwd: directory };
    const child = spawn(join(folder, program), args, options);
    child.unref();
    processes[program] = child.pid ?? 0;
  };
  const began = performance.now();
  const etcd = `http://127.0.0.1:${etcdPort}`;
  start("etcd", programs.etcd, etcdArguments(directory, etcd, etcdPeerPort));
  start("kube-apiserver", programs.kubernetes, apiserverArguments(files, etcd, port));
  const client = new Client(fromKubeconfig(files.kubeconfig), 2);
  try {
    const elapsed = (): number => performance.now() - began;
    await until(client, "/readyz", () => alive(processes, directory));
    const readyz = elapsed();
    for (const agent of AGENTS)
      start(agent, programs.kubernetes, files.arguments[agent](metricsPort));
    const account = "/api/v1/namespaces/default/serviceaccounts/default";
    await until(client, account, () => alive(processes, directory));
    const controllers = elapsed();
    const idle = await idleUsage(processes);
    const startUp = { readyz, controllers };
    const { kubeconfig } = files;
    const peer: Peer = { name, kubeconfig, durability: DURABILITY, processes, startUp, idle };
    writeFileSync(peerFile(directory), `${JSON.stringify(peer, null, 2)}\n`);
    return peer;
  } catch (error) {
    await endAll(processes, directory);
    throw error;
  } finally {
    client.close();
  }
}

/** Ends what runs in the folder. The data stays. */
export async function stopPeers(directory: string): Promise<void> {
  const peer = readPeer(directory);
  if (peer !== undefined) await endAll(peer.processes, directory);
}

/** The peer of a folder, when all of its processes run. */
export function runningPeer(directory: string): Peer | undefined {
  const peer = readPeer(directory);
  return peer !== undefined && alive(peer.processes, directory) ? peer : undefined;
}

export function readPeer(directory: string): Peer | undefined {
  if (!existsSync(peerFile(directory))) return undefined;
  return JSON.parse(readFileSync(peerFile(directory), "utf8")) as Peer;
}

export function peerFile(directory: string): string {
  return join(directory, "peer.json");
}

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let next = FIRST_PORT; ports.length < count; next = (ports.at(-1) ?? 0) + 1) {
    ports.push(await firstFree(next));
  }
  return ports;
}

/** Clients first: etcd last, so that nobody complains of its absence. */
async function endAll(processes: Readonly<Record<string, number>>, directory: string) {
  for (const pid of Object.values(processes).reverse()) {
    if (isAlive(pid, directory)) await endAndWait(pid, GRACE_MS);
  }
}

function alive(processes: Readonly<Record<string, number>>, directory: string): boolean {
  return Object.values(processes).every((pid) => isAlive(pid, directory));
}

async function until(client: Client, path: string, alive: () => boolean): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline && alive()) {
    const answered = await client.send("GET", path).then(
      ({ code }) => code === 200,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no ${path}; see the folder log/`);
}

async function idleUsage(pids: Readonly<Record<string, number>>): Promise<Peer["idle"]> {
  const processes: Process[] = Object.entries(pids).map(([name, pid]) => ({ name, pid }));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const seconds = (usage: readonly Usage[]) => sum(usage.map(({ cpuSeconds }) => cpuSeconds));
  const before = seconds(usageOf(processes));
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const usage = usageOf(processes);
  return { cpuPercent: ((seconds(usage) - before) * 1e5) / IDLE_MS, processes: usage };
}

interface Files {
  readonly directory: string;
  readonly pki: string;
  readonly kubeconfig: string;
  readonly tokens: string;
  readonly arguments: Readonly<Record<(typeof AGENTS)[number], (port: number) => string[]>>;
}

/** Keys, certificates, and what each process logs in with. */
function writeFiles(directory: string, port: number): Files {
  const server = `https://127.0.0.1:${port}`;
  const pki = ensurePki(directory, [hostAddress(), "10.96.0.1"], liveRuntime());
  const kubeconfig = join(directory, "kubeconfig");
  writeKubeconfig(kubeconfig, pki, server, "peers");
  const folder = join(directory, "pki");
  const tokens = join(folder, "tokens.csv");
  const logins = AGENTS.map((agent) => ({ agent, token: randomBytes(24).toString("hex") }));
  const lines = logins.map(({ agent, token }) => `${token},system:${agent},${agent}`);
  writeFileSync(tokens, `${lines.join("\n")}\n`, { mode: 0o600 });
  for (const { agent, token } of logins) {
    writeFileSync(join(directory, `${agent}.kubeconfig`), loginOf(server, folder, token), {
      mode: 0o600,
    });
  }
  const scheduler = join(directory, "scheduler.yaml");
  writeFileSync(scheduler, schedulerConfiguration(directory));
  return {
    directory,
    pki: folder,
    kubeconfig,
    tokens,
    arguments: {
      "kube-controller-manager": (free) => controllerArguments(directory, folder, free),
      "kube-scheduler": (free) => [`--config=${scheduler}`, ...serving(directory, free + 1)],
    },
  };
}

function loginOf(server: string, pki: string, token: string): string {
  const cluster = { server, "certificate-authority": join(pki, "ca.crt") };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "peers", cluster }],
    users: [{ name: "own", user: { token } }],
    contexts: [{ name: "peers", context: { cluster: "peers", user: "own" } }],
    "current-context": "peers",
  });
}

/** Without an election: one that is stopped for a while would end when it goes on. */
function schedulerConfiguration(directory: string): string {
  return JSON.stringify({
    apiVersion: "kubescheduler.config.k8s.io/v1",
    kind: "KubeSchedulerConfiguration",
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig: join(directory, "kube-scheduler.kubeconfig"), ...CLIENT_RATE },
  });
}

/** Metrics and health of a process that is no server otherwise. */
function serving(directory: string, port: number): string[] {
  return [
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${join(directory, "certificates")}`,
  ];
}

/** Durable as by default: every write is synced. */
function etcdArguments(directory: string, url: string, peerPort: number): string[] {
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(directory, "etcd")}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    `--quota-backend-bytes=${8 * 2 ** 30}`,
  ];
}

function apiserverArguments(files: Files, etcd: string, port: number): string[] {
  const pki = (name: string): string => join(files.pki, name);
  return [
    `--etcd-servers=${etcd}`,
    "--bind-address=127.0.0.1",
    `--advertise-address=${hostAddress()}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    `--token-auth-file=${files.tokens}`,
    "--anonymous-auth=false",
    "--authorization-mode=Node,RBAC",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    `--service-cluster-ip-range=${SERVICES}`,
    "--allow-privileged=true",
    // Priority and fairness stays on: it shares out these two, far above what 32 lanes need.
    "--max-requests-inflight=4000",
    "--max-mutating-requests-inflight=2000",
  ];
}

function controllerArguments(directory: string, pki: string, port: number): string[] {
  return [
    `--kubeconfig=${join(directory, "kube-controller-manager.kubeconfig")}`,
    `--service-account-private-key-file=${join(pki, "sa.key")}`,
    `--root-ca-file=${join(pki, "ca.crt")}`,
    "--use-service-account-credentials=true",
    "--leader-elect=false",
    `--kube-api-qps=${CLIENT_RATE.qps}`,
    `--kube-api-burst=${CLIENT_RATE.burst}`,
    "--concurrent-deployment-syncs=20",
    "--concurrent-replicaset-syncs=20",
    "--concurrent-gc-syncs=40",
    "--concurrent-namespace-syncs=20",
    ...serving(directory, port),
  ];
}
