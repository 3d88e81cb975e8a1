/** Garbage collections of our own processes, as the probe in each of them writes them down. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export interface Collection {
  readonly process: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
}

const PROBE = pathToFileURL(join(process.cwd(), "test/bench/mixed/gc-probe.mjs")).href;

export class Collections {
  readonly #folder = mkdtempSync(join(tmpdir(), "coxswain-gc-"));

  /** What a cluster is started with. */
  get environment(): Record<string, string> {
    return { COX_GC_FOLDER: this.#folder, NODE_OPTIONS: `--import=${PROBE}` };
  }

  read(): Collection[] {
    return readdirSync(this.#folder).flatMap((file) => {
      const [name = ""] = file.split(".");
      const lines = readFileSync(join(this.#folder, file), "utf8").trim().split("\n");
      return lines.map((line) => {
        const [at, ms] = line.split(" ").map(Number);
        return { process: name, at: at ?? 0, ms: ms ?? 0 };
      });
    });
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
