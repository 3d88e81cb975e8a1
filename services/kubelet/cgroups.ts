import { mkdir, readdir, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "../../shared/api/generated/types.ts";
import { podCgroup } from "./pod/configs.ts";
import { podResources } from "./pod/resources.ts";

const ROOT = "/sys/fs/cgroup";

/** The cgroups of whole pods, above those of their containers, which the runtime makes itself. */
export class PodCgroups {
  readonly #root: string;

  /** `root` is the parent of all pods, e.g. `/kubepods`. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Makes the pod's cgroup and sets its limits. */
  async ensure(pod: Pod): Promise<void> {
    const path = podCgroup(this.#root, pod);
    const limits = podResources(pod);
    if (await isUnified()) {
      await this.#unified(path, limits);
      return;
    }
    await setLimits(join(ROOT, "cpu", path), {
      "cpu.shares": limits.cpuShares,
      ...(limits.cpuQuota === undefined
        ? {}
        : { "cpu.cfs_period_us": limits.cpuPeriod, "cpu.cfs_quota_us": limits.cpuQuota }),
    });
    await setLimits(
      join(ROOT, "memory", path),
      limits.memoryLimit === undefined ? {} : { "memory.limit_in_bytes": limits.memoryLimit },
    );
  }

  /** Removes the pod's cgroup; its processes must be gone. */
  async remove(uid: string): Promise<void> {
    const roots = (await isUnified())
      ? [ROOT]
      : (await readdir(ROOT)).map((controller) => join(ROOT, controller));
    for (const root of roots) {
      for (const parent of ["", "burstable", "besteffort"]) {
        await removeTree(join(root, this.#root, parent, `pod${uid}`));
      }
    }
  }

  /** Pods (uids) that have a cgroup. */
  async pods(): Promise<Set<string>> {
    const unified = await isUnified();
    const found = new Set<string>();
    for (const parent of ["", "burstable", "besteffort"]) {
      const folder = join(ROOT, unified ? "" : "memory", this.#root, parent);
      for (const name of await readdir(folder).catch(() => [])) {
        if (name.startsWith("pod")) found.add(name.slice(3));
      }
    }
    return found;
  }

  async #unified(path: string, limits: ReturnType<typeof podResources>): Promise<void> {
    let folder = ROOT;
    for (const part of path.split("/").filter((one) => one !== "")) {
      await writeFile(join(folder, "cgroup.subtree_control"), "+cpu +memory +pids");
      folder = join(folder, part);
      await mkdir(folder, { recursive: true });
    }
    // The same scale as the runtime uses to turn shares into weights.
    const weight = 1 + Math.floor(((limits.cpuShares - 2) * 9999) / 262_142);
    await setLimits(folder, {
      "cpu.weight": weight,
      ...(limits.cpuQuota === undefined
        ? {}
        : { "cpu.max": `${limits.cpuQuota} ${limits.cpuPeriod}` }),
      ...(limits.memoryLimit === undefined ? {} : { "memory.max": limits.memoryLimit }),
    });
  }
}

async function setLimits(
  folder: string,
  values: Readonly<Record<string, number | string>>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, value] of Object.entries(values)) {
    await writeFile(join(folder, file), String(value));
  }
}

/** A cgroup is a folder whose files cannot be removed; only its sub-folders are. */
async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

async function isUnified(): Promise<boolean> {
  return (await stat(join(ROOT, "cgroup.controllers")).catch(() => undefined)) !== undefined;
}
