/** `cox at <moment> ...`: kubectl, and any other client, against a past moment. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../../shared/actor/dependencies.ts";
import type { History } from "../../../shared/log/history.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import type { Revision } from "../../../shared/store/store.ts";
import { writeKubeconfig } from "../../apiserver/auth/kubeconfig.ts";
import { ensurePki } from "../../apiserver/auth/pki.ts";
import { type PastServer, startPastServer } from "../../apiserver/past/start.ts";
import { obtainKubectl } from "../kubectl.ts";
import { show } from "../progress.ts";
import { parseMoment, revisionOf, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";

export interface AtFlags {
  /** How fast time runs once somebody watches; 0: it stands still. */
  readonly speed: number;
  readonly port?: number;
  /** Where `serve` writes its kubeconfig. */
  readonly kubeconfig?: string;
}

/** Exit codes of programs that a signal ended, as shells tell them. */
const SIGNAL_CODES: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

interface Served {
  readonly server: PastServer;
  readonly kubeconfig: string;
  readonly folder: string;
  readonly revision: Revision;
  readonly time: number;
}

/** Runs kubectl with the arguments against the moment; returns its exit code. */
export async function kubectlAt(
  history: History,
  moment: string,
  args: readonly string[],
  flags: AtFlags,
  output: Output,
): Promise<number> {
  const file = await obtainKubectl((text) => show({ type: "step", text }));
  return serving(history, moment, flags, output, ({ kubeconfig, folder }) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const cache = `--cache-dir=${join(folder, "cache")}`;
    const child = spawn(file, [cache, ...args], { stdio: "inherit", env });
    // Ctrl-C goes to kubectl, which is in the same group; this process waits for its end.
    process.on("SIGINT", () => {});
    for (const signal of ["SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => child.kill(signal));
    }
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve(code ?? SIGNAL_CODES[signal ?? ""] ?? 1));
    });
  });
}

/** Serves the moment until the process is told to end. */
export async function serveAt(
  history: History,
  moment: string,
  flags: AtFlags,
  output: Output,
): Promise<number> {
  return serving(history, moment, flags, output, async (served) => {
    const { server, revision, time } = served;
    const how =
      flags.speed === 0
        ? "time stands still"
        : `with the first watch time begins to run, ${flags.speed} times as fast as it did`;
    output.write(
      `Revision ${revision} (${new Date(time).toISOString()}), read-only, ` +
        `at https://127.0.0.1:${server.port}; ${how}.\n\n` +
        `  export KUBECONFIG=${served.kubeconfig}\n`,
    );
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
    });
    return 0;
  });
}

async function serving(
  history: History,
  text: string,
  flags: AtFlags,
  output: Output,
  use: (served: Served) => Promise<number>,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "cox-at-"));
  try {
    const { server, revision, time } = await start(history, text, flags, output, folder);
    const kubeconfig = flags.kubeconfig ?? join(folder, "kubeconfig");
    const pki = ensurePki(folder, [], liveRuntime());
    writeKubeconfig(kubeconfig, pki, `https://127.0.0.1:${server.port}`, `at-${revision}`);
    try {
      return await use({ server, kubeconfig, folder, revision, time });
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start(
  history: History,
  text: string,
  { speed, port = 0 }: AtFlags,
  output: Output,
  folder: string,
) {
  const runtime = liveRuntime();
  const moment = parseMoment(text, output.now());
  return withinHistory(history, async () => {
    const revision = await revisionOf(history.logs.cluster, moment);
    const time =
      moment.type === "time"
        ? moment.time
        : ((await history.version(revision))?.time ?? output.now());
    const server = await startPastServer({
      history,
      revision,
      time,
      speed,
      runtime,
      logger: silentLogger,
      // Its own authority: whoever may look at the past gets no key of the present.
      pki: ensurePki(folder, [], runtime),
      port,
      onError: (error) => {
        process.stderr.write(`The replay has broken off: ${(error as Error).message}\n`);
      },
    });
    return { server, revision, time };
  });
}
