/** `cox kubectl`: whichever kubectl there is, with the cluster's kubeconfig. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathsOf } from "./cluster.ts";
import { cacheFolder } from "./folders.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { findOnPath, unpackPackage } from "./packages.ts";
import { show } from "./progress.ts";

/** Runs kubectl with the arguments; returns its exit code. */
export async function runKubectl(data: string, args: readonly string[]): Promise<number> {
  kubeconfigText(data); // says so when there is no cluster
  const file = await obtainKubectl((text) => show({ type: "step", text }));
  const env = { ...process.env, KUBECONFIG: pathsOf(data).kubeconfig };
  const child = spawn(file, args, { stdio: "inherit", env });
  // Ctrl-C goes to kubectl, which is in the same group; this process waits for its end.
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

/** kubectl of the PATH; else Debian's, unpacked into the cache without touching the system. */
export async function obtainKubectl(report: (text: string) => void): Promise<string> {
  const present = findOnPath("kubectl");
  if (present !== undefined) return present;
  const folder = join(cacheFolder(), "kubectl");
  const file = join(folder, "usr", "bin", "kubectl");
  if (!existsSync(file)) {
    report("Fetching kubectl (Debian package kubernetes-client)");
    await unpackPackage("kubernetes-client", folder);
  }
  if (existsSync(file)) return file;
  throw new Error("There is no kubectl on the PATH, and Debian's package has none either.");
}
