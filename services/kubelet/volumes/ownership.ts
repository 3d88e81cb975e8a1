import { chmod, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const READ_WRITE = 0o660;
const READ_ONLY = 0o440;
const EXECUTE = 0o110;
const SET_GID = 0o2000;

/**
 * Gives a volume to the pod's fsGroup: everything in it belongs to the group and can be read (and
 * written, unless `readOnly`) by it, and what is made later inherits the group.
 */
export async function giveToGroup(path: string, group: number, readOnly: boolean): Promise<void> {
  const info = await lstat(path);
  await lchown(path, info.uid, group);
  if (info.isSymbolicLink()) return;
  const mask = readOnly ? READ_ONLY : READ_WRITE;
  if (!info.isDirectory()) {
    await chmod(path, (info.mode & 0o7777) | mask);
    return;
  }
  await chmod(path, (info.mode & 0o7777) | mask | EXECUTE | SET_GID);
  for (const name of await readdir(path)) await giveToGroup(join(path, name), group, readOnly);
}
