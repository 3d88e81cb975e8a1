import { Session } from "node:inspector";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Runtime } from "../../../shared/runtime/runtime.ts";

const INTERVAL_MICROS = 500;

/**
 * Where this process spends its time in the next `forMs` milliseconds: a CPU profile as V8 writes
 * it, gzip, base64. @throws Error when one is being made already.
 */
export async function profileCpu({ timers }: Runtime, forMs: number): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    const ask = <T>(method: string, parameters: object = {}): Promise<T> =>
      new Promise((resolve, reject) => {
        session.post(method, parameters, (error, answer) =>
          error ? reject(error) : resolve(answer as T),
        );
      });
    await ask("Profiler.enable");
    await ask("Profiler.setSamplingInterval", { interval: INTERVAL_MICROS });
    await ask("Profiler.start");
    await timers.sleep(forMs);
    const { profile } = await ask<{ profile: unknown }>("Profiler.stop");
    const compressed = await promisify(gzip)(JSON.stringify(profile));
    return compressed.toString("base64");
  } finally {
    session.disconnect();
  }
}
