import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { run } from "./run.ts";

/** Told what is being done, in words for the person who waits. */
export type Report = (message: string) => void;

/** The oldest release that has atomic batches. */
const OLDEST = [2, 12] as const;

/** The vendor's release that is fetched, with the checksums that its publisher gives. */
const RELEASE = {
  version: "2.12.7",
  sha256: new Map([
    ["x64", "570d2d627db111e679cc1e6bc57ba78f373ed1769acd8dc9c21c8f62d15b3c52"],
    ["arm64", "3b9a79986778285c0e5acaba0b1218b72f6159db68fe5b8916a7d846240f9f22"],
  ]),
  architecture: new Map([
    ["x64", "amd64"],
    ["arm64", "arm64"],
  ]),
};

/** Debian's suites that have a new enough package, the steadier one first. */
const SUITES = ["forky", "sid"] as const;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const ANSWER_MS = 4_000;
const DOWNLOAD_MS = 180_000;

/**
 * Finds a nats-server that is new enough, or fetches one into the cache folder without touching the
 * system (DESIGN D8, D21): from the PATH; from the cache; the vendor's release; Debian's package of
 * a newer suite from the mirror that this machine uses. Resolves with the path of the program.
 * @throws Error that says what was tried and why it failed.
 */
export async function obtainServer(cacheDirectory: string, report: Report): Promise<string> {
  const cached = join(cacheDirectory, "nats-server", "nats-server");
  for (const program of [...onPath("nats-server"), cached]) {
    if (await isNewEnough(program)) return program;
  }
  await mkdir(join(cacheDirectory, "nats-server"), { recursive: true });
  const failures: string[] = [];
  for (const [source, fetchServer] of [
    ["the vendor's release", fetchRelease],
    ["Debian's package", fetchPackage],
  ] as const) {
    const work = await mkdtemp(join(cacheDirectory, "nats-server", "fetch-"));
    try {
      const program = await fetchServer(work, report);
      await chmod(program, 0o755);
      const version = await versionOf(program);
      if (!isNew(version)) throw new Error(`it is ${version?.join(".") ?? "not runnable"} only`);
      // Another process may be doing the same: whoever is last replaces like by like.
      await rename(program, cached);
      report(`nats-server ${version?.join(".")} is ready`);
      return cached;
    } catch (error) {
      failures.push(`${source}: ${(error as Error).message}`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  throw new Error(
    `nats-server ${OLDEST.join(".")} or newer is needed and could not be fetched; ` +
      `install it and put it on the PATH. Tried ${failures.join("; ")}`,
  );
}

function onPath(program: string): string[] {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, program)).filter((path) => existsSync(path));
}

async function isNewEnough(program: string): Promise<boolean> {
  return isNew(await versionOf(program));
}

function isNew(version: readonly number[] | undefined): boolean {
  const [major = 0, minor = 0] = version ?? [];
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

async function versionOf(program: string): Promise<number[] | undefined> {
  try {
    const output = await run(program, ["--version"], { timeoutMs: ANSWER_MS });
    const found = /v(\d+)\.(\d+)\.(\d+)/.exec(output);
    return found ? found.slice(1).map(Number) : undefined;
  } catch {
    return undefined;
  }
}

async function fetchRelease(work: string, report: Report): Promise<string> {
  const architecture = RELEASE.architecture.get(process.arch);
  const sha256 = RELEASE.sha256.get(process.arch);
  if (process.platform !== "linux" || !architecture || !sha256) {
    throw new Error(`there is none for ${process.platform} on ${process.arch}`);
  }
  const name = `nats-server-v${RELEASE.version}-linux-${architecture}`;
  const url =
    `https://github.com/nats-io/nats-server/releases/download/v${RELEASE.version}/` +
    `${name}.tar.gz`;
  report(`looking for nats-server ${RELEASE.version} at github.com`);
  const archive = await download(url, report);
  const actual = createHash("sha256").update(archive).digest("hex");
  if (actual !== sha256) throw new Error(`${url} has checksum ${actual}, expected ${sha256}`);
  const program = join(work, "nats-server");
  await writeFile(program, await fileOf(gunzipSync(archive), `${name}/nats-server`));
  return program;
}

/** Fetches a file. A host that cannot be reached is given up soon; one that sends, later. */
async function download(url: string, report: Report): Promise<Buffer> {
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error(`${url} does not answer`)), ANSWER_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new Error(`${url} takes too long`)), DOWNLOAD_MS);
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    const size = Number(response.headers.get("content-length") ?? 0);
    report(`downloading ${url}${size > 0 ? ` (${(size / 1e6).toFixed(1)} MB)` : ""}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const reason = (error as Error).cause ?? error;
    throw new Error(`${url}: ${(reason as Error).message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function fileOf(archive: Buffer, name: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const reader = extract();
    reader.on("entry", (header, stream, next) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk) => chunks.push(chunk as Buffer));
      stream.on("end", () => {
        if (header.name === name) resolve(Buffer.concat(chunks));
        next();
      });
    });
    reader.on("finish", () => reject(new Error(`the archive has no ${name}`)));
    reader.on("error", reject);
    reader.end(archive);
  });
}

/** Debian's package, with apt working entirely in a folder of ours. */
async function fetchPackage(work: string, report: Report): Promise<string> {
  const failures: string[] = [];
  for (const suite of SUITES) {
    try {
      return await fetchPackageOf(suite, join(work, suite), report);
    } catch (error) {
      failures.push(`${suite}: ${(error as Error).message}`);
    }
  }
  throw new Error(failures.join("; "));
}

async function fetchPackageOf(suite: string, work: string, report: Report): Promise<string> {
  const mirror = await debianMirror();
  for (const folder of ["lists/partial", "archives/partial"]) {
    await mkdir(join(work, folder), { recursive: true });
  }
  const sources = join(work, "sources.list");
  await writeFile(sources, `deb [signed-by=${KEYRING}] ${mirror} ${suite} main\n`);
  await writeFile(join(work, "status"), "");
  const apt = (parameters: readonly string[]): Promise<string> =>
    run("apt-get", [...aptOptions(work, sources), ...parameters], {
      directory: work,
      timeoutMs: DOWNLOAD_MS,
    });
  report(`looking for nats-server in Debian ${suite} at ${mirror}`);
  await apt(["update"]);
  report(`downloading Debian ${suite}'s package nats-server`);
  await apt(["download", "nats-server"]);
  const packages = await run("find", [work, "-maxdepth", "1", "-name", "nats-server_*.deb"], {
    timeoutMs: ANSWER_MS,
  });
  const [file] = packages.trim().split("\n");
  if (!file) throw new Error("apt-get downloaded nothing");
  await run("dpkg-deb", ["-x", file, join(work, "root")], { timeoutMs: DOWNLOAD_MS });
  const program = join(work, "nats-server");
  await copyFile(join(work, "root", "usr", "sbin", "nats-server"), program);
  return program;
}

function aptOptions(work: string, sources: string): string[] {
  const settings = {
    "Dir::State": work,
    "Dir::State::status": join(work, "status"),
    "Dir::State::lists": join(work, "lists"),
    "Dir::Cache": work,
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "-",
    // apt's own user cannot write into our folder.
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    "Acquire::http::Timeout": "10",
    "Acquire::Retries": "1",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The Debian mirror that this machine is set up with. @throws Error when there is none. */
async function debianMirror(): Promise<string> {
  const format = "$(REPO_URI)";
  const targets = await run("apt-get", ["indextargets", "--format", format], {
    timeoutMs: ANSWER_MS,
  });
  const mirror = targets.split("\n").find((uri) => /\/debian\/?$/.test(uri.trim()));
  if (mirror === undefined) throw new Error("apt has no Debian mirror among its sources");
  return mirror.trim().replace(/\/$/, "");
}
