import { expect, it } from "vitest";
import { Spool } from "../../services/replay/spool.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";

function record(trace: string, padding = ""): DecisionRecord {
  return { trace, message: padding } as DecisionRecord;
}

it("hands out records by revision, those of one revision as they came", () => {
  const spool = new Spool();
  const given = [
    ["ä", 7],
    ["b", 3],
    ["c", 7],
    ["d", 3],
  ] as const;
  for (const [trace, at] of given) spool.add(record(trace), at);
  expect([...spool.inOrder()].map(({ record: { trace }, at }) => [trace, at])).toEqual([
    ["b", 3],
    ["d", 3],
    ["ä", 7],
    ["c", 7],
  ]);
  spool.close();
});

it("holds more than is read or written at once", () => {
  const spool = new Spool();
  const padding = "x".repeat(1_000);
  for (let index = 0; index < 3_000; index++) spool.add(record(`${index}`, padding), 5_000 - index);
  spool.add(record("large", "y".repeat(3_000_000)), 6_000);
  const traces = [...spool.inOrder()].map(({ record: { trace, message } }) => {
    return `${trace} ${message?.length}`;
  });
  const expected = Array.from({ length: 3_000 }, (_, index) => `${2_999 - index} 1000`);
  expect(traces).toEqual([...expected, "large 3000000"]);
  spool.close();
});

it("is empty when nothing was recorded", () => {
  const spool = new Spool();
  expect([...spool.inOrder()]).toEqual([]);
  spool.close();
});
