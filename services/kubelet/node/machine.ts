import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { arch, availableParallelism, release, totalmem } from "node:os";

/** What the machine has, in Kubernetes' quantities. */
export interface Machine {
  readonly capacity: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly architecture: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly machineID: string;
  readonly systemUUID: string;
  readonly bootID: string;
}

const PODS_MOST = "110";

/** Asks the machine. `folder` is on the file system that pods use. */
export async function describeMachine(folder: string): Promise<Machine> {
  const disk = await statfs(folder);
  const memoryBytes = totalmem();
  return {
    capacity: {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(memoryBytes / 1024)}Ki`,
      "ephemeral-storage": `${Math.floor((disk.blocks * disk.bsize) / 1024)}Ki`,
      "hugepages-1Gi": "0",
      "hugepages-2Mi": "0",
      pods: PODS_MOST,
    },
    memoryBytes,
    architecture: { x64: "amd64", ia32: "386" }[arch() as string] ?? arch(),
    kernelVersion: release(),
    osImage: osImage(),
    machineID: readText("/etc/machine-id"),
    systemUUID: readText("/sys/class/dmi/id/product_uuid"),
    bootID: readText("/proc/sys/kernel/random/boot_id"),
  };
}

function osImage(): string {
  const line = readText("/etc/os-release")
    .split("\n")
    .find((one) => one.startsWith("PRETTY_NAME="));
  return line?.slice("PRETTY_NAME=".length).replace(/^"|"$/g, "") ?? "Linux";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
