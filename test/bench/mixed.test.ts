import { describe, expect, it } from "vitest";
import type { Client } from "./load/client.ts";
import { Recording, slope } from "./mixed/record.ts";
import { MIX, Requests, VERBS, type Verb } from "./mixed/requests.ts";

/** Answers everything at once, and keeps what it was asked for. */
function fakeClient(asked: string[]): Client {
  const send = async (method: string, path: string) => {
    asked.push(`${method} ${path}`);
    return { code: 200 };
  };
  return { send, ok: send } as unknown as Client;
}

describe("the mix", () => {
  it("is a hundred, and never deletes what is not there or reads what is gone", async () => {
    expect(Object.values(MIX).reduce((a, b) => a + b)).toBe(100);
    const asked: string[] = [];
    const requests = new Requests(fakeClient(asked), "default");
    await requests.prepare();
    const counts = new Map<Verb, number>();
    const answered = (verb: Verb): void => {
      counts.set(verb, (counts.get(verb) ?? 0) + 1);
    };
    await requests.run(10_000, 200, { answered, failed: () => {}, sent: () => {} });
    expect([...counts.keys()].sort()).toEqual([...VERBS].sort());
    let [first, last] = [0, 0];
    for (const each of asked) {
      const index = Number(/\/c-(\d+)$/.exec(each)?.[1]);
      if (each.startsWith("POST")) last++;
      else if (each.startsWith("DELETE")) expect(index).toBe(first++);
      else if (!Number.isNaN(index)) expect(index >= first && index < last).toBe(true);
      expect(first).toBeLessThan(last);
    }
  });
});

describe("a recording", () => {
  it("keeps latencies by verb", () => {
    const record = new Recording(30);
    for (let ms = 1; ms <= 100; ms++) record.answered("get", performance.now(), ms);
    record.answered("create", performance.now(), 1_000);
    expect(record.latency("get")).toEqual({
      ...{ count: 100, p50: 51, p99: 100, "p99.9": 100, worst: 100 },
    });
    expect(record.latency(undefined).worst).toBe(1_000);
    expect(record.latency("get", 5).count).toBe(0);
  });
});

describe("a slope", () => {
  it.each([
    [
      [
        [0, 1],
        [1, 3],
        [2, 5],
      ],
      2,
    ],
    [
      [
        [0, 4],
        [1, 4],
      ],
      0,
    ],
    [[[3, 4]], 0],
  ] as [[number, number][], number][])("of %j is %d", (points, expected) => {
    expect(slope(points)).toBe(expected);
  });
});
