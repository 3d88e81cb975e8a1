#!/usr/bin/env node
// What runs before anything is installed or built: plain JavaScript, Node alone.
// `npm start`, `npm test` and the others come in here; it installs the packages when the lock file
// has changed, builds when a source has, and hands over.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const [command = "up", ...rest] = process.argv.slice(2);

/** One line per step; the time when it took noticeably long. */
function step(title, run) {
  const started = performance.now();
  process.stderr.write(`${title} ...`);
  const detail = run();
  const seconds = (performance.now() - started) / 1000;
  process.stderr.write(`\r${title}: ${detail ?? "done"} (${seconds.toFixed(1)} s)\n`);
}

function fail(message) {
  process.stderr.write(`\n${message}\n`);
  process.exit(1);
}

function run(file, args, options = {}) {
  const result = spawnSync(file, args, { cwd: root, encoding: "utf8", ...options });
  if (result.error) fail(`${file} could not be started: ${result.error.message}`);
  return result;
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Coxswain needs Node 20.19 or newer; this is ${process.version}. Install a newer Node.`);
}

function installPackages() {
  const lock = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  const digest = lock.digest("hex");
  const stamp = join(root, "node_modules", ".coxswain-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  step("Installing npm packages", () => {
    const result = run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    if (result.status !== 0) {
      fail(`npm ci failed:\n${result.stderr || result.stdout}\nCheck the network and try again.`);
    }
    writeFileSync(stamp, digest);
  });
}

/** Newest modification below the source folders, and how many files there are. */
function sourceState() {
  let newest = 0;
  let count = 0;
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else {
        count++;
        newest = Math.max(newest, statSync(path).mtimeMs);
      }
    }
  };
  for (const folder of ["services", "shared", "nats", "test/sim"]) {
    if (existsSync(join(root, folder))) visit(join(root, folder));
  }
  const lock = statSync(join(root, "package-lock.json")).mtimeMs;
  return `${count} ${Math.max(newest, lock)}`;
}

async function build() {
  const stamp = join(root, "dist", ".sources");
  const state = sourceState();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === state) return;
  const started = performance.now();
  process.stderr.write("Building ...");
  mkdirSync(join(root, "dist"), { recursive: true });
  const { buildAll } = await import(pathToFileURL(join(root, "services/cli/build/build.mjs")).href);
  await buildAll(root);
  writeFileSync(stamp, state);
  const seconds = (performance.now() - started) / 1000;
  process.stderr.write(`\rBuilding: done (${seconds.toFixed(1)} s)\n`);
}

checkNode();
installPackages();
switch (command) {
  case "build":
    await build();
    break;
  case "test": {
    await build();
    const { runTests } = await import(
      pathToFileURL(join(root, "services/cli/build/test.mjs")).href
    );
    process.exit(await runTests(root, rest));
    break;
  }
  case "generate": {
    const { generateTables } = await import(
      pathToFileURL(join(root, "services/cli/build/build.mjs")).href
    );
    await generateTables(root, rest);
    break;
  }
  case "bench": {
    await build();
    const { runBenchmarks } = await import(
      pathToFileURL(join(root, "services/cli/build/test.mjs")).href
    );
    process.exit(await runBenchmarks(root, rest));
    break;
  }
  default:
    await build();
    process.argv.splice(2, process.argv.length, command, ...rest);
    await import(pathToFileURL(join(root, "dist/cox.js")).href);
}
