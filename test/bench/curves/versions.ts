/** What was measured: for the caption under the figures. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Ours, with what it runs on. */
export function ownVersions(): string {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const facts = [`${version} (${commit()})`, `Node ${process.versions.node}`, "strict durability"];
  return facts.join(", ");
}

function commit(): string {
  try {
    const args = ["describe", "--always", "--dirty"];
    return execFileSync("git", args, { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "no repository";
  }
}
