import type { Findings } from "./findings.ts";

/** A path below another: relative, and never up. */
export function validateDescendingPath(found: Findings, field: string, path: string): void {
  if (path.startsWith("/")) found.invalid(field, path, "must be a relative path");
  validateNoBacksteps(found, field, path);
}

export function hasBacksteps(path: string): boolean {
  return path.split("/").includes("..");
}

export function validateNoBacksteps(found: Findings, field: string, path: string): void {
  if (hasBacksteps(path)) found.invalid(field, path, "must not contain '..'");
}

/** As a file of a volume that Kubernetes writes: `..` at the beginning is its own. */
export function validateVolumeFilePath(found: Findings, field: string, path: string): void {
  validateDescendingPath(found, field, path);
  if (path.startsWith("..") && !path.startsWith("../")) {
    found.invalid(field, path, "must not start with '..'");
  }
}

const MODE_MAX = 0o777;

export function validateFileMode(found: Findings, field: string, mode: number | undefined): void {
  if (mode === undefined || (mode >= 0 && mode <= MODE_MAX)) return;
  const words = "must be a number between 0 and 0777 (octal), both inclusive";
  found.invalid(field, mode, words);
}

const ID_MAX = 0xffffffff;

/** A user's or group's number. */
export function validateId(found: Findings, field: string, id: number | undefined): void {
  found.range(field, id, 0, ID_MAX);
}
