import { existsSync, statSync } from "node:fs";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { findPlugins } from "./cni.ts";
import { type Command, CommandError } from "./command.ts";
import { findBusybox } from "./images/catalog.ts";
import { findProgram } from "./programs.ts";

/** A Debian package that a real node needs, and how to tell that what it brings is there. */
export interface NodePackage {
  readonly name: string;
  readonly purpose: string;
  /** True for what a node can do without; its absence is only worth a word. */
  readonly optional: boolean;
  /** Another package may have brought the same (Docker's containerd.io, for instance). */
  present(): boolean;
}

const program = (name: string): (() => boolean) => {
  return () => findProgram(name) !== undefined;
};

export const NODE_PACKAGES: readonly NodePackage[] = [
  {
    name: "containerd",
    purpose: "runs containers",
    optional: false,
    present: program("containerd"),
  },
  { name: "runc", purpose: "starts containers", optional: false, present: program("runc") },
  {
    name: "containernetworking-plugins",
    purpose: "connects pods to the network",
    optional: false,
    present: () => findPlugins() !== undefined,
  },
  {
    name: "nftables",
    purpose: "leads Services to their pods",
    optional: false,
    present: program("nft"),
  },
  { name: "iproute2", purpose: "makes networks", optional: false, present: program("ip") },
  {
    name: "util-linux",
    purpose: "enters network namespaces",
    optional: false,
    present: program("nsenter"),
  },
  {
    name: "busybox-static",
    purpose: "is what the built-in images are made of",
    optional: false,
    present: () => findBusybox() !== undefined,
  },
  {
    name: "conntrack",
    purpose: "forgets UDP flows to pods that are gone",
    optional: true,
    present: program("conntrack"),
  },
];

/** Packages whose content is not there. */
export function missingPackages(): NodePackage[] {
  return NODE_PACKAGES.filter((one) => !one.present());
}

export interface InstallOptions {
  readonly runtime: Runtime;
  readonly command: Command;
  /** Told what is being done, in a few words; `detail` is the package manager's own line. */
  readonly report: (step: string, detail?: string) => void;
}

const LISTS = "/var/lib/apt/lists";
const LISTS_MS_MAX = 14 * 24 * 3600 * 1000;
/** Somebody else may be installing at the moment. */
const LOCK_SECONDS = 300;
const INSTALL_MS = 15 * 60_000;
/** Units that packages would start, though each node runs its own containerd. */
const UNITS = ["containerd.service"];

/**
 * Installs what is missing from Debian's archive; needs root. No services are started and no
 * recommended packages added. Does nothing when nothing is missing.
 * @throws Error when the machine has no apt, CommandError with apt's words when it fails.
 */
export async function installPackages(options: InstallOptions): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (findProgram("apt-get") === undefined) {
    throw new Error(`no apt-get to install ${missing.map((one) => one.name).join(", ")} with`);
  }
  const names = missing.map((one) => one.name);
  if (listsAreOld(options.runtime) || (await anyUnknown(options.command, names))) {
    await updateLists(options);
  }
  options.report("installing", names.join(", "));
  const services = await quietServices(options.command);
  try {
    let result = await install(options, names);
    if (result.code !== 0) {
      // A version that the lists name may have been replaced in the archive meanwhile.
      await updateLists(options);
      result = await install(options, names);
    }
    if (result.code !== 0) throw new CommandError("apt-get", ["install", ...names], result);
  } finally {
    await services.restore(missingPackages().every((one) => one.name !== "containerd"));
  }
  const still = missingPackages().filter((one) => !one.optional);
  if (still.length > 0) {
    throw new Error(`installed, but not to be found: ${still.map((one) => one.name).join(", ")}`);
  }
}

function install(options: InstallOptions, names: readonly string[]) {
  const settings = [`DPkg::Lock::Timeout=${LOCK_SECONDS}`, "Dpkg::Use-Pty=0"];
  return options.command(
    "env",
    [
      // A machine in the first runlevel starts no services (without systemd).
      ...["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "LC_ALL=C.UTF-8"],
      ...["apt-get", "install"],
      ...["--yes", "--no-install-recommends", "--quiet"],
      ...settings.flatMap((setting) => ["-o", setting]),
      ...["-o", "Dpkg::Options::=--force-confold"],
      ...names,
    ],
    {
      timeoutMs: INSTALL_MS,
      onLine: (line) => {
        if (/^(Get:|Unpacking |Setting up )/.test(line)) options.report("installing", line);
      },
    },
  );
}

async function updateLists(options: InstallOptions): Promise<void> {
  options.report("reading package lists");
  const result = await options.command(
    "apt-get",
    ["update", "--quiet", "-o", `DPkg::Lock::Timeout=${LOCK_SECONDS}`],
    { timeoutMs: INSTALL_MS, onLine: (line) => options.report("reading package lists", line) },
  );
  // Without a network, packages that are in the cache can still be installed.
  if (result.code !== 0) options.report("package lists could not be read", result.stderr.trim());
}

function listsAreOld(runtime: Runtime): boolean {
  try {
    return runtime.clock.now() - statSync(LISTS).mtimeMs > LISTS_MS_MAX;
  } catch {
    return true;
  }
}

async function anyUnknown(command: Command, names: readonly string[]): Promise<boolean> {
  const shown = await command("apt-cache", ["show", "--no-all-versions", ...names]);
  const known = new Set([...shown.stdout.matchAll(/^Package: (\S+)$/gm)].map((match) => match[1]));
  return names.some((name) => !known.has(name));
}

interface Services {
  /** `installed`: the units have come with our packages. */
  restore(installed: boolean): Promise<void>;
}

/**
 * Keeps systemd from starting the units while their packages are installed. The mask lies in /run,
 * so that it cannot outlive a crash for longer than the machine runs.
 */
async function quietServices(command: Command): Promise<Services> {
  const fresh = UNITS.filter((unit) => !existsSync(`/lib/systemd/system/${unit}`));
  if (!existsSync("/run/systemd/system") || fresh.length === 0) {
    return { restore: async () => undefined };
  }
  await command("systemctl", ["mask", "--runtime", ...fresh]);
  return {
    restore: async (installed) => {
      await command("systemctl", ["unmask", "--runtime", ...fresh]);
      // Nor at the next boot: nobody asked for a containerd of the system's own.
      if (installed) await command("systemctl", ["disable", ...fresh]);
    },
  };
}
