import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Debian keeps administrators' programs where an ordinary PATH does not lead. */
const PLACES = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
] as const;

/** Full path of an installed program, or undefined. */
export function findProgram(name: string): string | undefined {
  return PLACES.map((place) => join(place, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
