import { mkdir, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, normalize } from "node:path";
import type { Container, Pod, VolumeMount } from "../../../shared/api/generated/types.ts";
import type { ContainerMount } from "../runtimes/runtime.ts";
import { ContainerConfigError } from "./environment.ts";
import { expand } from "./expansion.ts";

const PROPAGATIONS: Readonly<Record<string, ContainerMount["propagation"]>> = {
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
};

export interface MountSources {
  /** Where a volume of the pod is on the node; undefined: the pod has no such volume. */
  readonly volume: (name: string) => { path: string; readOnly: boolean } | undefined;
  readonly environment: ReadonlyMap<string, string>;
  readonly etcHosts: string;
  readonly terminationFile: string;
}

/**
 * The container's mounts: its volumes, the hosts file and the termination message.
 * @throws ContainerConfigError.
 */
export async function containerMounts(
  pod: Pod,
  container: Container,
  sources: MountSources,
): Promise<ContainerMount[]> {
  const mounts: ContainerMount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    mounts.push(await volumeMount(container, mount, sources));
  }
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  const add = (containerPath: string, hostPath: string): void => {
    if (taken.has(containerPath)) return;
    mounts.push({ containerPath, hostPath, readonly: false, propagation: "PROPAGATION_PRIVATE" });
  };
  if (pod.spec?.os?.name !== "windows") add("/etc/hosts", sources.etcHosts);
  add(container.terminationMessagePath || "/dev/termination-log", sources.terminationFile);
  return mounts;
}

async function volumeMount(
  container: Container,
  mount: VolumeMount,
  sources: MountSources,
): Promise<ContainerMount> {
  const volume = sources.volume(mount.name);
  if (!volume) {
    throw new ContainerConfigError(
      `cannot find volume "${mount.name}" to mount into container "${container.name}"`,
    );
  }
  const subPath = mount.subPathExpr
    ? expandSubPath(mount.subPathExpr, sources.environment)
    : (mount.subPath ?? "");
  const containerPath = isAbsolute(mount.mountPath) ? mount.mountPath : join("/", mount.mountPath);
  return {
    containerPath,
    hostPath: subPath ? await resolveSubPath(volume.path, subPath, mount.name) : volume.path,
    readonly: mount.readOnly === true || volume.readOnly,
    propagation: PROPAGATIONS[mount.mountPropagation ?? ""] ?? "PROPAGATION_PRIVATE",
  };
}

function expandSubPath(text: string, environment: ReadonlyMap<string, string>): string {
  const missing: string[] = [];
  const result = expand(text, (name) => {
    const value = environment.get(name);
    if (value === undefined) missing.push(name);
    return value;
  });
  if (missing.length > 0) {
    throw new ContainerConfigError(`missing value for "${missing.join('", "')}"`);
  }
  return result;
}

/**
 * The path below the volume, made as a folder when there is nothing. Whatever links the volume
 * holds, the result stays inside it.
 */
async function resolveSubPath(volume: string, subPath: string, name: string): Promise<string> {
  const clean = normalize(subPath);
  const refuse = (): never => {
    throw new ContainerConfigError(
      `failed to prepare subPath for volumeMount "${name}": ` +
        `subpath "${subPath}" not within volume path "${volume}"`,
    );
  };
  if (isAbsolute(clean) || clean === ".." || clean.startsWith("../")) refuse();
  const root = await realpath(volume);
  const wanted = join(root, clean);
  if (!(await exists(wanted))) {
    const parent = await nearestParent(wanted);
    if (!isWithin(root, await realpath(parent))) refuse();
    await mkdir(wanted, { recursive: true, mode: 0o750 });
  }
  const resolved = await realpath(wanted);
  return isWithin(root, resolved) ? resolved : refuse();
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function nearestParent(path: string): Promise<string> {
  let parent = dirname(path);
  while (!(await exists(parent))) parent = dirname(parent);
  return parent;
}

function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}
