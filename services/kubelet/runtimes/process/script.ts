import { isAbsolute, join } from "node:path";
import { type ContainerConfig, RuntimeError, type SandboxConfig } from "../runtime.ts";

/** Which namespaces a process gets; without root they hang below a user namespace of their own. */
export function unshareWords(root: boolean): string[] {
  const own = root ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...own, "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"];
}

/** As which a process of another namespace is entered, before its command. */
export function enterWords(pid: number, root: boolean): string[] {
  const own = root ? [] : ["--user", "--preserve-credentials"];
  return [
    "nsenter",
    `--target=${pid}`,
    ...own,
    "--mount",
    "--pid",
    "--uts",
    "--ipc",
    "--root",
    "--wd",
  ];
}

/**
 * Each folder of the host's root is layered by itself: without root's rights the whole cannot be,
 * because of what is mounted inside. A folder that cannot be layered is shown as it is.
 */
const LAYERS = `layer() {
  for place in /*; do
    name="\${place#/}"
    case "$name" in proc|sys|dev|run|tmp|mnt|media|lost+found) continue ;; esac
    if [ -L "$place" ]; then cp -P "$place" root/; continue; fi
    [ -d "$place" ] || continue
    mkdir "root/$name" "upper/$name" "spare/$name"
    places="lowerdir=$place,upperdir=$1/upper/$name,workdir=$1/spare/$name$2"
    mount -t overlay overlay -o "$places" "root/$name" 2>/dev/null ||
      mount --rbind "$place" "root/$name"
  done
}`;

const READ_ONLY = `for place in root/*; do
  [ -L "$place" ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
done
mount --rbind root root
mount -o remount,bind,ro root`;

/**
 * The shell script that becomes the container, inside its namespaces: its root is the host's, seen
 * through layers in memory that take what it writes; volumes are bound into that.
 * @throws RuntimeError for what cannot be had without a container runtime.
 */
export function startScript(
  config: ContainerConfig,
  sandbox: SandboxConfig,
  options: { stage: string; root: boolean; marker: string },
): string {
  refuseUnsupported(config, options.root);
  const root = join(options.stage, "root");
  const lines = [
    "set -e",
    `mount -t tmpfs -o mode=755 tmpfs ${quote(options.stage)}`,
    `cd ${quote(options.stage)}`,
    "mkdir upper spare root",
    LAYERS,
    layersCall(options),
    "mkdir -p root/proc root/sys root/dev root/run root/tmp",
    "chmod 1777 root/tmp",
    "mount --rbind /dev root/dev",
    "mount --rbind /sys root/sys",
    "mount -t proc proc root/proc",
    ...config.mounts.flatMap((mount) => mountLines(root, mount)),
    sandbox.hostname ? `hostname ${quote(sandbox.hostname)}` : ":",
    config.workingDir ? `mkdir -p ${quote(join(root, config.workingDir))}` : ":",
    config.linux.securityContext.readonlyRootfs ? READ_ONLY : ":",
    // From here on what fails is the container's own doing.
    `: > ${quote(options.marker)}`,
    `exec ${commandWords(config, root).map(quote).join(" ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function layersCall({ stage, root }: { stage: string; root: boolean }): string {
  return `layer ${quote(stage)} ${quote(root ? "" : ",userxattr")}`;
}

function refuseUnsupported(config: ContainerConfig, root: boolean): void {
  const refuse = (what: string): never => {
    throw new RuntimeError("failed", `the process runtime ${what}`);
  };
  const { securityContext } = config.linux;
  if (config.command.length === 0) {
    refuse("has no images: the container needs a command of its own");
  }
  if (config.stdin || config.tty) refuse("gives containers neither input nor a terminal");
  const user = securityContext.runAsUser?.value ?? 0;
  if (!root && (user !== 0 || (securityContext.runAsGroup?.value ?? 0) !== 0)) {
    refuse(`cannot change to user ${user}: it does not run as root`);
  }
  if (securityContext.privileged && !root) refuse("gives no privileges: it does not run as root");
}

function mountLines(root: string, mount: ContainerConfig["mounts"][number]): string[] {
  const from = quote(mount.hostPath);
  const to = quote(join(root, mount.containerPath));
  return [
    `if [ -d ${from} ]; then mkdir -p ${to}; else`,
    `mkdir -p "$(dirname ${to})"; [ -e ${to} ] || : > ${to}; fi`,
    `mount --rbind ${from} ${to}`,
    ...(mount.readonly ? [`mount -o remount,bind,ro ${to}`] : []),
  ];
}

function commandWords(config: ContainerConfig, root: string): string[] {
  const { runAsUser, runAsGroup, supplementalGroups, noNewPrivs, capabilities } =
    config.linux.securityContext;
  const groups = supplementalGroups.length > 0 ? ["--groups", supplementalGroups.join(",")] : [];
  const user = runAsUser?.value ?? 0;
  const group = runAsGroup?.value ?? 0;
  const privileges = [
    ...(user || group || groups.length ? ["--reuid", String(user), "--regid", String(group)] : []),
    ...(groups.length === 0 && (user || group) ? ["--clear-groups"] : groups),
    ...(noNewPrivs ? ["--no-new-privs"] : []),
    ...(capabilities?.dropCapabilities.some((one) => one.toUpperCase() === "ALL")
      ? ["--bounding-set=-all", "--inh-caps=-all"]
      : []),
  ];
  const path = config.envs.some(({ key }) => key === "PATH")
    ? []
    : ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
  const folder = config.workingDir && isAbsolute(config.workingDir) ? config.workingDir : "/";
  return [
    "chroot",
    root,
    "setpriv",
    ...privileges,
    "env",
    "-i",
    `--chdir=${folder}`,
    ...path,
    ...config.envs.map(({ key, value }) => `${key}=${value}`),
    ...config.command,
    ...config.args,
  ];
}

/** As one word of a shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
