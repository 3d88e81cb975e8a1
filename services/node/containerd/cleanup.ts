import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { processesIn } from "../cgroups.ts";
import { type Command, must } from "../command.ts";
import { allProcesses, processFacts, signal } from "../processes.ts";
import { endProcess, findDaemon } from "./process.ts";

export interface CleanupOptions {
  readonly runtime: Runtime;
  readonly command: Command;
  readonly configFile: string;
  readonly pidFile: string;
  readonly socket: string;
  readonly root: string;
  readonly cgroup: string;
  readonly state: string;
}

const TASKS = "io.containerd.runtime.v2.task";
const SANDBOXES = "io.containerd.grpc.v1.cri/sandboxes";
const CNI_RESULTS = "/var/lib/cni/results";
const ENDING_MS = 5000;
const POLL_MS = 20;

/**
 * Ends a node's containerd and everything that runs under it, as the power switch would: pods,
 * their shims, their mounts. Images and the metadata of containers stay on disk; the next
 * containerd finds its sandboxes dead, as after a reboot. Does nothing when nothing is left.
 */
export async function endContainers(options: CleanupOptions): Promise<void> {
  const daemon = findDaemon(options);
  // First of all, so that nothing new starts.
  if (daemon !== undefined) await endProcess(options.runtime, daemon);
  const doomed = containersOf(options);
  for (const pid of doomed) signal(pid, "SIGKILL");
  await untilGone(options.runtime, [...doomed]);
  await unmountBelow(options.command, options.state);
  removeShimSockets(options.state);
  forgetLoopbacks(options.root);
  rmSync(options.state, { recursive: true, force: true });
  rmSync(options.socket, { force: true });
  rmSync(`${options.socket}.ttrpc`, { force: true });
  rmSync(options.pidFile, { force: true });
}

/** Everything that runs in containers, and then the shims, so that none restarts or reports. */
function containersOf({ socket, cgroup }: CleanupOptions): Set<number> {
  const processes = allProcesses();
  const shims = processes.filter(({ arguments: line }) => isShim(line, socket));
  const parents = new Set(shims.map((shim) => shim.pid));
  const children = processes.filter(({ parent }) => parents.has(parent));
  // A container's first process is a child of its shim, and most of the rest ends with it; those of
  // pods that share the host's processes are found by their control group.
  return new Set([...children.map(({ pid }) => pid), ...processesIn(cgroup), ...parents]);
}

function isShim(line: readonly string[], socket: string): boolean {
  const at = line.indexOf("-address");
  return (line[0]?.includes("containerd-shim") ?? false) && at > 0 && line[at + 1] === socket;
}

async function untilGone(runtime: Runtime, pids: readonly number[]): Promise<void> {
  const deadline = runtime.clock.monotonic() + ENDING_MS;
  while (pids.some((pid) => processFacts(pid) !== undefined)) {
    if (runtime.clock.monotonic() > deadline) throw new Error("containers do not end");
    await runtime.timers.sleep(POLL_MS);
  }
}

/** Unmounts everything at or below the folder, the innermost first. */
export async function unmountBelow(command: Command, folder: string): Promise<void> {
  const places = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => unescapeMount(line.split(" ")[4] ?? ""))
    .filter((place) => place === folder || place.startsWith(`${folder}/`))
    .reverse();
  // One call for all; lazily, since a process outside may still look into one of them.
  if (places.length > 0) await must(command, "umount", ["-l", ...places]);
}

/** mountinfo writes blanks, tabs, line ends and backslashes as octal numbers. */
export function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number(`0o${code}`)),
  );
}

/** Shims listen below /run/containerd, wherever their state is; each notes the address. */
function removeShimSockets(state: string): void {
  const tasks = join(state, TASKS, "k8s.io");
  for (const id of existsSync(tasks) ? readdirSync(tasks) : []) {
    const note = join(tasks, id, "address");
    if (!existsSync(note)) continue;
    const socket = readFileSync(note, "utf8").replace(/^unix:\/\//, "");
    if (socket.startsWith("/run/containerd/s/")) rmSync(socket, { force: true });
  }
}

/** libcni's notes of the pods' loopback devices, which have gone with their namespaces. */
function forgetLoopbacks(root: string): void {
  const sandboxes = join(root, SANDBOXES);
  for (const id of existsSync(sandboxes) ? readdirSync(sandboxes) : []) {
    rmSync(join(CNI_RESULTS, `cni-loopback-${id}-lo`), { force: true });
  }
}
