import { randomBytes, randomFillSync, randomInt, randomUUID } from "node:crypto";
import { ulidOf } from "./ids.ts";
import type { Cancel, RandomStream, Runtime } from "./runtime.ts";

/** Node's timers take at most this delay; anything longer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The real clock, timers, randomness and identifiers: the only file that touches them. */
export function liveRuntime(): Runtime {
  return {
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    timers: {
      after,
      every(ms, run) {
        const timer = setInterval(run, Math.min(Math.max(ms, 0), TIMER_MS_MAX));
        return () => clearInterval(timer);
      },
      sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    },
    // Names keep streams apart where draws must be repeatable; real randomness needs no names.
    random: { stream: () => LIVE_STREAM },
    ids: {
      ulid: () => ulidOf(Date.now(), sixteenBytes()),
      uuid: () => randomUUID(),
    },
  };
}

/** Asking the system for random bytes costs the same for a few as for thousands. */
const pool = Buffer.alloc(4096);
let used = pool.length;

/** Valid until the next call. */
function sixteenBytes(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

const LIVE_STREAM: RandomStream = {
  next: () => Math.random(),
  integer: (below) => (below <= 1 ? 0 : randomInt(below)),
  bytes: (length) => randomBytes(length),
};

function after(ms: number, run: () => void): Cancel {
  if (ms <= 0) {
    // Once what has arrived meanwhile has been looked at; a timer would take a millisecond.
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  }
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    timer =
      left > TIMER_MS_MAX
        ? setTimeout(() => arm(left - TIMER_MS_MAX), TIMER_MS_MAX)
        : setTimeout(run, Math.max(left, 0));
  };
  arm(ms);
  return () => clearTimeout(timer);
}
