import { existsSync, readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "./command.ts";
import { missingPackages } from "./packages.ts";
import { findProgram } from "./programs.ts";

/** What kind of node this machine can be, and what stands in the way of a better one. */
export interface Capabilities {
  /** The best runtime: `cri`, real containers; `process`, child processes without images. */
  readonly runtime: "cri" | "process";
  /** Why not `cri`; empty when it is. One sentence each. */
  readonly reasons: readonly string[];
  /** Debian packages that would remove some of the reasons; can be installed by root. */
  readonly missing: readonly string[];
  /** What will not work although the runtime does. */
  readonly warnings: readonly string[];
}

/** Looks at the machine; changes nothing. */
export async function capabilities(command: Command): Promise<Capabilities> {
  const reasons: string[] = [];
  const warnings: string[] = [];
  const missing = missingPackages();
  if (process.platform !== "linux")
    reasons.push(`containers need Linux, this is ${process.platform}`);
  const root = process.getuid?.() === 0;
  if (!root) reasons.push("containers need root");
  for (const { name, purpose, optional } of missing) {
    const text = `the package ${name} is missing, which ${purpose}`;
    if (optional) warnings.push(text);
    else reasons.push(text);
  }
  if (root && process.platform === "linux") {
    reasons.push(...(await kernelReasons(command)));
    if (await dropsForwarded(command)) {
      warnings.push(
        "the machine's firewall drops forwarded packets (policy of the chain FORWARD): " +
          "pods reach neither one another nor the outside unless it allows them",
      );
    }
  }
  return {
    runtime: reasons.length === 0 ? "cri" : "process",
    reasons,
    missing: missing.map(({ name }) => name),
    warnings,
  };
}

async function kernelReasons(command: Command): Promise<string[]> {
  const reasons: string[] = [];
  const probe = async (program: string, args: string[], reason: string): Promise<void> => {
    if (findProgram(program) === undefined) return;
    const result = await command(program, args);
    if (result.code !== 0) reasons.push(`${reason} (${result.stderr.trim()})`);
  };
  await probe("unshare", ["--net", "--mount", "true"], "namespaces may not be made here");
  await probe("nft", ["list", "tables"], "the kernel's packet filter cannot be used");
  if (!existsSync("/sys/fs/cgroup/cgroup.controllers") && !existsSync("/sys/fs/cgroup/memory")) {
    reasons.push("no control groups are mounted");
  }
  return reasons;
}

/** As container engines and firewalls set it; no other table can overrule a drop. */
async function dropsForwarded(command: Command): Promise<boolean> {
  const chain = await command("nft", ["list", "chain", "ip", "filter", "FORWARD"]);
  return chain.code === 0 && chain.stdout.includes("policy drop");
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
