import { lstat, mkdir, stat, writeFile } from "node:fs/promises";
import type { HostPathVolumeSource } from "../../../shared/api/generated/types.ts";
import { VolumeError } from "./payload.ts";

/** Checks what is at the path against the volume's type, and makes it where the type says so. */
export async function prepareHostPath({ path, type = "" }: HostPathVolumeSource): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  switch (type) {
    case "":
      return;
    case "DirectoryOrCreate":
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) wrongType(path, "a directory");
      return;
    case "FileOrCreate":
      if (!found) await writeFile(path, "", { mode: 0o644 });
      else if (!found.isFile()) wrongType(path, "a file");
      return;
    default:
      await mustBe(path, type);
  }
}

async function mustBe(path: string, type: string): Promise<void> {
  const link = await lstat(path).catch(() => undefined);
  const found = link?.isSymbolicLink() ? await stat(path).catch(() => undefined) : link;
  const fits =
    (type === "Directory" && found?.isDirectory()) ||
    (type === "File" && found?.isFile()) ||
    (type === "Socket" && found?.isSocket()) ||
    (type === "CharDevice" && found?.isCharacterDevice()) ||
    (type === "BlockDevice" && found?.isBlockDevice());
  const names: Readonly<Record<string, string>> = {
    Directory: "a directory",
    File: "a file",
    Socket: "a socket file",
    CharDevice: "a character device",
    BlockDevice: "a block device",
  };
  if (!fits) wrongType(path, names[type] ?? type);
}

function wrongType(path: string, name: string): never {
  throw new VolumeError(`hostPath type check failed: ${path} is not ${name}`);
}
