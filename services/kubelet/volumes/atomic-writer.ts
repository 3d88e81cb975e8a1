import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";

export interface PayloadFile {
  readonly data: Buffer;
  readonly mode: number;
  /** Owner of this one file, where it is not the kubelet's. */
  readonly uid?: number;
}

/** Files of a volume by their path in it. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** The link that points to the present files. */
const DATA = "..data";
const DATA_NEXT = "..data_tmp";

/**
 * Writes a volume so that readers see either all old files or all new ones: the files go to a new
 * folder, the link `..data` is exchanged for one to it, and each name in the volume is a link
 * through `..data`. Does nothing, and answers false, when the files are as they should be.
 * `finish` is called on the new folder before anybody can see it.
 */
export async function writeAtomically(
  folder: string,
  payload: Payload,
  finish: (path: string) => Promise<void>,
): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const old = await linkTarget(join(folder, DATA));
  if (old !== undefined && (await isSame(join(folder, old), payload))) return false;
  const fresh = await mkdtemp(join(folder, "..version_"));
  await chmod(fresh, 0o755);
  for (const [path, file] of payload) {
    const full = join(fresh, path);
    await mkdir(dirname(full), { recursive: true });
    await writeFile(full, file.data);
    // Behind the umask's back.
    await chmod(full, file.mode);
  }
  await finish(fresh);
  await rm(join(folder, DATA_NEXT), { force: true });
  await symlink(fresh.slice(folder.length + 1), join(folder, DATA_NEXT));
  await rename(join(folder, DATA_NEXT), join(folder, DATA));
  await linkNames(folder, payload);
  if (old !== undefined) await rm(join(folder, old), { recursive: true, force: true });
  return true;
}

/** One link for the first part of each path; links to what is gone are removed. */
async function linkNames(folder: string, payload: Payload): Promise<void> {
  const names = new Set([...payload.keys()].map((path) => path.split("/")[0] as string));
  for (const name of await readdir(folder)) {
    if (!name.startsWith("..") && !names.has(name)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
  for (const name of names) {
    if ((await linkTarget(join(folder, name))) !== undefined) continue;
    await symlink(join(DATA, name), join(folder, name));
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch {
    return undefined;
  }
}

async function isSame(folder: string, payload: Payload): Promise<boolean> {
  const present = await filesBelow(folder, "");
  if (present === undefined || present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (!wanted?.data.equals(await readFile(join(folder, path)))) return false;
  }
  return true;
}

async function filesBelow(folder: string, prefix: string): Promise<string[] | undefined> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch(
    () => undefined,
  );
  if (!entries) return undefined;
  const files: string[] = [];
  for (const entry of entries) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) files.push(...((await filesBelow(folder, path)) ?? []));
    else files.push(path);
  }
  return files;
}
