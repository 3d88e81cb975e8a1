import { expect, test } from "vitest";
import { Turns } from "../../services/apiserver/turns.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";

/** A loop of which the test makes the turns, with a clock that it moves. */
function fakeLoop() {
  const due: (() => void)[] = [];
  const clock = { now: 0 };
  const runtime = {
    clock: { monotonic: () => clock.now },
    timers: { after: (_: number, run: () => void) => due.push(run) },
  } as unknown as Runtime;
  const turn = async (): Promise<void> => {
    for (const run of due.splice(0)) run();
    for (let each = 0; each < 100; each++) await undefined;
  };
  return { clock, runtime, turn, due };
}

const upToDate = { own: () => undefined };

test("work is begun in order, some of it in each turn", async () => {
  const { clock, runtime, turn } = fakeLoop();
  const turns = new Turns(runtime, upToDate);
  const begun: number[] = [];
  for (let each = 0; each < 10; each++) {
    turns.push(() => {
      clock.now += 1;
      begun.push(each);
    });
  }
  await turn();
  const first = begun.length;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(10);
  for (let each = 0; each < 10; each++) await turn();
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("what rests goes on before anything else is begun", async () => {
  const { clock, runtime, turn } = fakeLoop();
  const turns = new Turns(runtime, upToDate);
  const steps: string[] = [];
  const long = async (): Promise<void> => {
    for (let step = 0; step < 6; step++) {
      steps.push(`long ${step}`);
      clock.now += 2;
      const rest = turns.rest();
      if (rest) await rest;
    }
  };
  turns.push(() => void long());
  turns.push(() => steps.push("other"));
  await turn();
  expect(steps.length).toBeLessThan(6);
  for (let each = 0; each < 10; each++) await turn();
  expect(steps).toEqual([0, 1, 2, 3, 4, 5].map((step) => `long ${step}`).concat("other"));
});

test("nothing is begun before what was committed here is shown", async () => {
  const { runtime, turn } = fakeLoop();
  let show = (): void => undefined;
  const shown = new Promise<void>((resolve) => {
    show = resolve;
  });
  const turns = new Turns(runtime, { own: () => shown });
  let begun = false;
  turns.push(() => {
    begun = true;
  });
  await turn();
  expect(begun).toBe(false);
  show();
  await turn();
  expect(begun).toBe(true);
});
