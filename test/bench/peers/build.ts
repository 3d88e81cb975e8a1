/**
 * Builds etcd and the Kubernetes control plane from the Go module proxy, once: the programs lie
 * under `.cache/peers/` afterwards. The build runs at the lowest priority.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "../../store/harness.ts";

export interface Versions {
  /** Without the v: 1.35.4. */
  readonly kubernetes: string;
  readonly etcd: string;
}

export const KUBERNETES_PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
] as const;

const ETCD_MODULE = "go.etcd.io/etcd/server/v3";
const KUBERNETES_MODULE = "k8s.io/kubernetes";
const VERSION_PACKAGES = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

/** The folders of the two sets of programs, building what is missing. */
export function obtainPeers(versions: Versions): { etcd: string; kubernetes: string } {
  const root = join(cacheDirectory(), "peers");
  const [etcd, kubernetes] = [
    join(root, `etcd-${versions.etcd}`),
    join(root, `kubernetes-${versions.kubernetes}`),
  ];
  if (!existsSync(join(etcd, "etcd"))) buildEtcd(etcd, versions.etcd);
  const missing = KUBERNETES_PROGRAMS.filter((name) => !existsSync(join(kubernetes, name)));
  if (missing.length > 0) buildKubernetes(kubernetes, versions.kubernetes, missing);
  return { etcd, kubernetes };
}

function buildEtcd(folder: string, version: string): void {
  const module = `module peers\n\ngo 1.25.0\n\nrequire ${ETCD_MODULE} v${version}\n`;
  const source = sourceFolder(folder, module);
  build(source, join(folder, "etcd"), ETCD_MODULE, "-s -w");
}

function buildKubernetes(folder: string, version: string, programs: readonly string[]): void {
  const found = go(
    folder,
    ["mod", "download", "-json", `${KUBERNETES_MODULE}@v${version}`],
    "pipe",
  );
  const { GoMod, Origin } = JSON.parse(found) as { GoMod: string; Origin?: { Hash?: string } };
  const source = sourceFolder(folder, wrapperModule(readFileSync(GoMod, "utf8"), version));
  const [major, minor] = version.split(".");
  const facts = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: Origin?.Hash ?? "",
    gitTreeState: "clean",
  };
  const named = VERSION_PACKAGES.flatMap((name) =>
    Object.entries(facts).map(([field, value]) => `-X ${name}.${field}=${value}`),
  );
  for (const program of programs) {
    const path = `${KUBERNETES_MODULE}/cmd/${program}`;
    build(source, join(folder, program), path, ["-s -w", ...named].join(" "));
  }
}

/**
 * Upstream's own go.mod, so that every dependency has upstream's version, under another name and
 * with the staging modules taken from where they are published: as v0.y.z for v1.y.z.
 */
export function wrapperModule(upstream: string, version: string): string {
  const published = `v0.${version.split(".").slice(1).join(".")}`;
  const renamed = upstream
    .replace(/^module .*$/m, "module peers")
    .replace(/^(\t\S+) => \.\/staging\/src\/(\S+)$/gm, `$1 => $2 ${published}`);
  return `${renamed}\nrequire ${KUBERNETES_MODULE} v${version}\n`;
}

function sourceFolder(folder: string, module: string): string {
  const source = join(folder, "source");
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, "go.mod"), module);
  return source;
}

function build(source: string, program: string, path: string, linking: string): void {
  console.info(`building ${path}; the first time takes a while`);
  const temporary = `${program}.new`;
  go(source, ["build", "-trimpath", "-p", "2", "-ldflags", linking, "-o", temporary, path]);
  renameSync(temporary, program);
}

/** @throws Error when there is no Go, or when it fails; its own words are shown. */
function go(folder: string, args: readonly string[], output: "inherit" | "pipe" = "inherit") {
  mkdirSync(folder, { recursive: true });
  if (spawnSync("go", ["version"]).status !== 0) {
    throw new Error("There is no Go on the PATH: it is needed to build the programs to compare.");
  }
  const environment = { CGO_ENABLED: "0", GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" };
  const { status, error, stdout } = spawnSync("nice", ["-n", "19", "go", ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ["ignore", output, "inherit"],
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`go ${args.slice(0, 2).join(" ")} failed (${status})`);
  return output === "pipe" ? stdout.toString() : "";
}
