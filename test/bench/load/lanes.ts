/** The load: lanes that each wait for an answer before they ask again. */

export const CONNECTIONS = 32;

export interface Load {
  readonly done: number;
  readonly perSecond: number;
  /** Of each, milliseconds. */
  readonly times: readonly number[];
}

/**
 * Runs work(0), work(1), ... by lanes until a limit. Rejects with the first failure, when every
 * lane has ended.
 */
export async function load(
  count: number,
  mostMs: number,
  work: (index: number) => Promise<unknown>,
  lanes = CONNECTIONS,
): Promise<Load> {
  let next = 0;
  let failed = false;
  const times: number[] = [];
  const started = performance.now();
  const lane = async (): Promise<void> => {
    while (!failed && next < count && performance.now() - started < mostMs) {
      const index = next++;
      const begun = performance.now();
      await work(index);
      times.push(performance.now() - begun);
    }
  };
  const ended = await Promise.allSettled(
    Array.from({ length: lanes }, () =>
      lane().catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    ),
  );
  const perSecond = (times.length * 1000) / (performance.now() - started);
  const failure = ended.find(({ status }) => status === "rejected");
  if (failure !== undefined) throw (failure as PromiseRejectedResult).reason;
  return { done: times.length, perSecond, times };
}

/** Work on every index, at whatever speed. */
export async function each(count: number, work: (index: number) => Promise<unknown>) {
  await load(count, Number.POSITIVE_INFINITY, work);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again every few milliseconds; false when the deadline came first. */
export async function until(reached: () => boolean, mostMs: number): Promise<boolean> {
  const deadline = performance.now() + mostMs;
  while (!reached()) {
    if (performance.now() > deadline) return false;
    await pause(5);
  }
  return true;
}
