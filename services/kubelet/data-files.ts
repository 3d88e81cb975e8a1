import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Path of a data file of this folder (stages, protocol definitions), given relative to it. Works
 * from the sources and from a bundle anywhere in the installation: both lie below the folder that
 * holds `package.json`.
 */
export function dataFile(relative: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = join(folder, "services/kubelet", relative);
    if (existsSync(candidate)) return candidate;
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`the installation lacks services/kubelet/${relative}`);
    folder = parent;
  }
}

/** Reads such a file as text. */
export function readDataFile(relative: string): string {
  return readFileSync(dataFile(relative), "utf8");
}
