import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository. */
export function repository(): string {
  return join(dirname(fileURLToPath(import.meta.url)), "..", "..");
}

/** Where downloaded programs are kept, for all clusters. */
export function cacheFolder(): string {
  return join(repository(), ".cache");
}

/** A built program. */
export function programFile(name: string): string {
  return join(repository(), "dist", name);
}
