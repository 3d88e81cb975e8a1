import { spawnSync } from "node:child_process";
import { describe, it } from "vitest";
import { type Command, commands } from "../../services/node/command.ts";
import { findProgram } from "../../services/node/programs.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";

/** Helpers of the tests that work on real namespaces, packet filters and containers. */
export const runtime = liveRuntime();
export const command: Command = commands(runtime);
export const logger = silentLogger;

/** What the machine lacks for a test that needs root and these programs; "" when nothing. */
export function lacking(programs: readonly string[]): string {
  if (process.getuid?.() !== 0) return "root";
  const missing = programs.filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) return missing.join(", ");
  const namespaces = spawnSync("unshare", ["-n", "true"]);
  return namespaces.status === 0 ? "" : "permission to make network namespaces";
}

/**
 * As `describe`, for tests that need root and programs. Where they are missing, the tests are
 * skipped, loudly; under CI=true that is a failure.
 */
export function describeOnMachine(
  name: string,
  programs: readonly string[],
  run: () => void,
): void {
  const missing = lacking(programs);
  if (missing === "") {
    describe(name, run);
  } else if (process.env["CI"] === "true") {
    describe(name, () => {
      it("can run", () => {
        throw new Error(`cannot run without: ${missing}`);
      });
    });
  } else {
    console.warn(`\n*** SKIPPED: ${name}: this machine lacks ${missing} ***\n`);
    describe.skip(name, run);
  }
}

/** Runs every command of it inside a network namespace (a path). */
export function inside(namespace: string): Command {
  return (program, args, options = {}) =>
    command(program, args, { networkNamespace: namespace, ...options });
}
