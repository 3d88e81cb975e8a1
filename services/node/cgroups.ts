import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = "/sys/fs/cgroup";

/**
 * Removes a control group with all below it, in every hierarchy (version 1 has one per controller),
 * and its parent when that is empty. Its processes must have ended. One that is still busy stays.
 */
export function removeCgroup(name: string): void {
  if (!existsSync(ROOT)) return;
  const hierarchies = ["", ...readdirSync(ROOT)].map((entry) => join(ROOT, entry));
  for (const hierarchy of hierarchies) {
    removeTree(join(hierarchy, name));
    const parent = join(hierarchy, dirname(name));
    if (dirname(name) !== "/" && existsSync(parent)) remove(parent);
  }
}

/** Processes in a control group or below it, in any hierarchy. */
export function processesIn(name: string): Set<number> {
  const found = new Set<number>();
  const hierarchies = existsSync(ROOT) ? ["", ...readdirSync(ROOT)] : [];
  for (const hierarchy of hierarchies) collect(join(ROOT, hierarchy, name), found);
  return found;
}

function collect(folder: string, found: Set<number>): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) collect(path, found);
    else if (entry.name === "cgroup.procs") {
      for (const line of readFileSync(path, "utf8").split("\n")) {
        if (Number(line) > 1) found.add(Number(line));
      }
    }
  }
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  remove(folder);
}

function remove(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Busy or not empty: somebody else's. Gone: somebody was faster.
    if (code !== "EBUSY" && code !== "ENOTEMPTY" && code !== "ENOENT") throw error;
  }
}
