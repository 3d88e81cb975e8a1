import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { findProgram } from "./programs.ts";

const PROBE_MS = 10_000;

/** What in the kernel or in this container forbids real pods; empty when nothing does. For root. */
export function kernelReasons(): string[] {
  const reasons: string[] = [];
  const probe = (program: string, args: string[], reason: string): void => {
    if (findProgram(program) === undefined) return;
    const result = spawnSync(program, args, { encoding: "utf8", timeout: PROBE_MS });
    if (result.status !== 0) reasons.push(`${reason} (${result.stderr.trim()})`);
  };
  probe("unshare", ["--net", "--mount", "true"], "namespaces may not be made here");
  probe("nft", ["list", "tables"], "the kernel's packet filter cannot be used");
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers") && !existsSync("/sys/fs/cgroup/memory")) {
    reasons.push("no control groups are mounted");
  }
  return reasons;
}

/** As container engines and firewalls set it; no other table can overrule a drop. */
export function dropsForwarded(): boolean {
  const words = ["list", "chain", "ip", "filter", "FORWARD"];
  const chain = spawnSync("nft", words, { encoding: "utf8", timeout: PROBE_MS });
  return chain.status === 0 && chain.stdout.includes("policy drop");
}

/** File systems on which overlayfs cannot keep its upper layer. */
const NO_UPPER_LAYER = new Map([
  [0x794c7630, "overlayfs"],
  [0x6969, "nfs"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
  [0x4d44, "vfat"],
]);

/**
 * The snapshotter that works for images in this folder: overlayfs, or whole copies where the file
 * system (that of a container, for instance) or the kernel cannot do it.
 */
export function snapshotterFor(folder: string): "overlayfs" | "native" {
  let place = folder;
  while (!existsSync(place)) place = dirname(place);
  const type = Number(statfsSync(place).type);
  const supported = readFileSync("/proc/filesystems", "utf8").includes("\toverlay\n");
  const loadable = existsSync("/lib/modules");
  return NO_UPPER_LAYER.has(type) || (!supported && !loadable) ? "native" : "overlayfs";
}
