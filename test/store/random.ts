import fc from "fast-check";
import { expect } from "vitest";
import { ConflictError, type Store, type Version, type Write } from "../../shared/store/store.ts";
import { HEADERS, Recorder, value } from "./harness.ts";

/** One thing that is done to a store. */
export interface Step {
  readonly type: "commit" | "get" | "list" | "compact" | "watch";
  readonly writes: readonly { key: string; text: string | null; expect: number | undefined }[];
  readonly prefix: string;
  /** Picks a revision, as a share of the head, or beyond it. */
  readonly at: number | undefined;
}

const key = fc.constantFrom("pods/a/x", "pods/a/y", "pods/b/x", "nodes/_/n", "roles.rbac.io/a/r");
export const step: fc.Arbitrary<Step> = fc.record({
  type: fc.constantFrom("commit", "commit", "commit", "commit", "get", "list", "compact", "watch"),
  writes: fc.array(
    fc.record({
      key,
      text: fc.option(fc.string({ maxLength: 5 }), { freq: 4 }),
      // Mostly what is right; -1 asks for the present revision.
      expect: fc.oneof(fc.constant(-1), fc.constant(-1), fc.constant(undefined), fc.nat(9)),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  prefix: fc.constantFrom("", "pods/", "pods/a/", "nodes/"),
  at: fc.option(fc.double({ min: 0, max: 1.1, noNaN: true })),
});

/** Does the same with both stores and compares every answer, then what watchers saw. */
export async function compare(subject: Store, model: Store, steps: readonly Step[]): Promise<void> {
  const watchers: [Recorder, Recorder][] = [];
  for (const { type, writes, prefix, at } of steps) {
    const head = await model.head();
    const revision = at === undefined || at === null ? undefined : Math.floor(at * (head + 1));
    if (type === "watch") {
      watchers.push(await watchBoth(subject, model, prefix, revision ?? "snapshot"));
      continue;
    }
    // A watch that a compaction overtakes ends; here none does.
    if (type === "compact") await allDelivered(watchers);
    const resolved = await resolve(model, writes);
    const run = async (store: Store): Promise<unknown> => {
      if (type === "commit") return store.commit(resolved, HEADERS);
      if (type === "get") return plain(await store.get(writes[0]?.key ?? "", revision));
      if (type === "compact") return store.compact(revision ?? head);
      const list = await store.list(prefix, revision);
      return { revision: list.revision, versions: list.versions.map(plain) };
    };
    const actual = await settled(model, run(subject));
    expect(actual).toEqual(await settled(model, run(model)));
    expect(await subject.head()).toBe(await model.head());
  }
  await allDelivered(watchers);
}

async function watchBoth(
  subject: Store,
  model: Store,
  prefix: string,
  from: number | "snapshot",
): Promise<[Recorder, Recorder]> {
  const pair: [Recorder, Recorder] = [new Recorder(), new Recorder()];
  subject.watch(prefix, from, pair[0]);
  model.watch(prefix, from, pair[1]);
  for (const recorder of pair) {
    await recorder.until(({ caughtUpAt, error }) => caughtUpAt !== undefined || !!error);
  }
  expect(pair[0].caughtUpAt).toBe(pair[1].caughtUpAt);
  expect(pair[0].error?.message).toBe(pair[1].error?.message);
  return pair;
}

async function allDelivered(watchers: readonly [Recorder, Recorder][]): Promise<void> {
  const marked = (version: Version): unknown => ({ ...plain(version), more: version.more });
  for (const [actual, wanted] of watchers) {
    await actual.until(({ versions }) => versions.length >= wanted.versions.length);
    expect(actual.versions.map(marked)).toEqual(wanted.versions.map(marked));
  }
}

async function resolve(model: Store, writes: Step["writes"]): Promise<Write[]> {
  const resolved: Write[] = [];
  for (const { key, text, expect: expected } of writes) {
    const present = expected === -1 ? ((await model.get(key))?.revision ?? 0) : expected;
    const content = text === null ? null : value(text);
    resolved.push({ key, value: content, ...(present === undefined ? {} : { expect: present }) });
  }
  return resolved;
}

async function settled(model: Store, outcome: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await outcome };
  } catch (error) {
    if (error instanceof ConflictError) {
      // Of several expectations that do not hold, any may be named; but it must be one.
      const { key, expected, actual } = error;
      expect(actual).toBe((await model.get(key))?.revision ?? 0);
      expect(actual).not.toBe(expected);
      return { error: error.name };
    }
    return { error: (error as Error).name, message: (error as Error).message };
  }
}

function plain(version: Version | undefined): Record<string, unknown> | undefined {
  if (!version) return undefined;
  const { revision, key, headers } = version;
  return { revision, key, headers, value: version.value?.toString() ?? null };
}
