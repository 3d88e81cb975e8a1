// `npm test`: the checks, then every test. Prints what was skipped, and fails in CI if anything was.
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildOne } from "./build.mjs";

function runTo(root, title, file, args, env = {}) {
  process.stdout.write(`\n== ${title}\n`);
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, ...env },
    });
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

const bin = (root, name) => join(root, "node_modules", ".bin", name);

/** Types, style, then tests; arguments go to vitest (`npm test -- test/store`). */
export async function runTests(root, args) {
  if (args.length === 0) {
    const types = await runTo(root, "Types", bin(root, "tsc"), ["-p", "."]);
    const style = await runTo(root, "Style", bin(root, "biome"), ["check", "."]);
    if (types !== 0 || style !== 0) return 1;
  }
  const setup = await runTo(root, "Set-up", process.execPath, [join(root, "dist/cox.js"), "setup"]);
  if (setup !== 0) return setup;
  const report = join(root, "dist", "test-report.json");
  rmSync(report, { force: true });
  const code = await runTo(root, "Tests", bin(root, "vitest"), [
    "run",
    "--config",
    "test/vitest.config.ts",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...args,
  ]);
  return summarize(report, code);
}

/** Compares our tables with the published API, which is no part of the project: no fault if absent. */
const WITHOUT_FACTS = "test/api/facts.test.ts";

function summarize(file, code) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    process.stdout.write("The test runner left no report.\n");
    return code || 1;
  }
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report;
  const skips = report.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === "pending" || status === "skipped")
      .map(({ fullName }) => ({ file, fullName })),
  );
  if (skips.length > 0) {
    const lines = skips.map(({ fullName }) => `  ${fullName}\n`).join("");
    process.stdout.write(`\nSKIPPED, NOT TESTED:\n${lines}`);
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  if (code !== 0) return code;
  const unexcused = skips.filter(({ file }) => !file.endsWith(WITHOUT_FACTS));
  if (unexcused.length > 0 && process.env.CI) {
    process.stdout.write("In CI nothing may be skipped.\n");
    return 1;
  }
  return 0;
}

/** A cluster alone is a comparison with nobody. */
const ALIASES = { cluster: "compare" };

/**
 * `npm run bench -- [name ...] [options]`: runs the programs in test/bench/, each prints its own
 * figures. What begins with the first option goes to the programs.
 */
export async function runBenchmarks(root, args) {
  const end = args.findIndex((each) => each.startsWith("-"));
  const names = (end < 0 ? args : args.slice(0, end)).map((each) => ALIASES[each] ?? each);
  const options = end < 0 ? [] : args.slice(end);
  const folder = join(root, "test", "bench");
  const all = readdirSync(folder).filter((file) => file.endsWith(".bench.ts"));
  const chosen = all.filter((file) => names.length === 0 || names.includes(file.split(".")[0]));
  if (chosen.length === 0) {
    process.stderr.write(`There are: ${all.map((file) => file.split(".")[0]).join(", ")}\n`);
    return 1;
  }
  for (const file of chosen) {
    const program = await buildOne(root, join("test/bench", file));
    process.stdout.write(`\n== ${file}\n`);
    const result = spawnSync(process.execPath, [program, ...options], {
      cwd: root,
      stdio: "inherit",
    });
    if (result.status !== 0) return result.status ?? 1;
  }
  return 0;
}
