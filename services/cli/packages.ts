import { execFile } from "node:child_process";
import { accessSync, constants, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The first program of that name on the PATH. */
export function findOnPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(":").filter(Boolean);
  for (const file of folders.map((folder) => join(folder, name))) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

/**
 * Downloads a package of the machine's own Debian suite and unpacks it into a folder; installs
 * nothing.
 * @throws Error with apt's reason.
 */
export async function unpackPackage(name: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  try {
    await run("apt-get", ["download", name], { cwd: folder });
  } catch {
    await run("apt-get", ["update"]).catch(() => undefined);
    await run("apt-get", ["download", name], { cwd: folder });
  }
  const file = readdirSync(folder).find((entry) => entry.endsWith(".deb"));
  if (file === undefined) throw new Error(`apt-get downloaded no package ${name}`);
  await run("dpkg-deb", ["-x", join(folder, file), folder]);
}
