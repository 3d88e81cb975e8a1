import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { KubeletContext } from "../context.ts";
import { logFile } from "../pod/paths.ts";

const CHECK_MS = 10_000;
/** As upstream's defaults: a log of 10 Mi, five files in all. */
const SIZE_MOST = 10 * 1024 * 1024;
const FILES_MOST = 5;

/** Begins a new file for each container's log that has grown too large; answers how to stop. */
export function startLogRotation(context: KubeletContext): () => void {
  let running = false;
  return context.environment.timers.every(CHECK_MS, () => {
    if (running) return;
    running = true;
    void rotateAll(context)
      .catch((error: unknown) => context.logger.warn({ err: error }, "logs could not be rotated"))
      .finally(() => {
        running = false;
      });
  });
}

async function rotateAll(context: KubeletContext): Promise<void> {
  const { observer, setup, runtime, environment } = context;
  for (const { uid, name, namespace } of observer.identities()) {
    for (const container of observer.pod(uid).containers) {
      if (container.state !== "running") continue;
      const folder = setup.paths.podLogs(namespace, name, uid);
      const path = join(folder, logFile(container.name, container.restartCount));
      const size = (await stat(path).catch(() => undefined))?.size ?? 0;
      if (size < SIZE_MOST) continue;
      await rotate(path, environment.clock.now());
      await runtime.reopenLog(container.id);
    }
  }
}

/** The present file steps aside under a name with the time; the oldest surplus ones go. */
export async function rotate(path: string, now: number): Promise<void> {
  const time = new Date(now).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  await rename(path, `${path}.${time}`);
  const prefix = `${basename(path)}.`;
  const old = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
  for (const name of old.slice(0, Math.max(0, old.length - (FILES_MOST - 1)))) {
    await rm(join(dirname(path), name), { force: true });
  }
}
