import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { countsOf } from "../../services/cli/history/why/pending.ts";
import { answerDot, answerText } from "../../services/cli/history/why/print.ts";
import { type Answer, answerWhy } from "../../services/cli/history/why/why.ts";
import { parseKey } from "../../shared/api/key.ts";
import { objectOf } from "../../shared/log/changes.ts";
import type { Key, Version } from "../../shared/store/store.ts";
import type { Call } from "../apiserver/harness.ts";
import { World } from "./world.ts";

interface Step {
  readonly by?: string;
  readonly request?: Call;
  /** A merge patch of every node. */
  readonly everyNode?: unknown;
  /** Seconds. */
  readonly wait?: number;
  readonly crash?: string;
  readonly restart?: string;
}

interface Ask {
  readonly key?: Key;
  /** Prefixes of keys. */
  readonly deleted?: string;
  readonly live?: string;
  readonly state?: "pending" | "terminating";
}

interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly ask: Ask;
  readonly chain: readonly string[];
  readonly verdict?: { readonly kind: string; readonly text: string };
  readonly pending?: readonly string[];
  readonly notTried?: string;
  readonly rollout?: { readonly reasons: readonly string[]; readonly troubles: readonly string[] };
  readonly troubles?: readonly string[];
  readonly terminating?: {
    readonly finalizers: readonly string[];
    readonly left: readonly string[];
  };
}

const { cases }: { cases: Case[] } = parse(
  readFileSync(new URL("why.yaml", import.meta.url), "utf8"),
);
const NODES = ["node-1-0", "node-2-0", "node-3-0"];

describe("cox why answers for", () => {
  it.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const world = await World.start();
    for (const step of one.steps) await carryOut(world, step);
    const key = subjectOf(world.versions, one.ask);
    const at = await world.history.logs.cluster.head();
    const answer = await answerWhy(world.history, { key, at, deleted: false });
    expect(answer.story.steps.map(short)).toEqual(one.chain);
    check(answer, one);
    const text = answerText(answer, (_style, words) => words);
    expect(text).toContain(answer.verdict.text);
    for (const step of answer.story.steps) expect(text).toContain(`${step.revision} `);
    expect(answerDot(answer).match(/ -> /g)?.length ?? 0).toBe(one.chain.length - 1);
  });
});

async function carryOut(world: World, step: Step): Promise<void> {
  const { by = "", request, everyNode, wait, crash, restart } = step;
  if (wait !== undefined) await world.advance(wait * 1000);
  if (crash !== undefined) world.crash(crash);
  if (restart !== undefined) world.restart(restart);
  if (request !== undefined) await world.ask(by, request);
  if (everyNode === undefined) return;
  const contentType = "application/merge-patch+json";
  for (const name of NODES) {
    await world.ask(by, { verb: "patch", resource: "nodes", name, contentType, body: everyNode });
  }
}

function subjectOf(versions: readonly Version[], { key, deleted, live, state }: Ask): Key {
  if (key !== undefined) return key;
  const last = new Map(versions.map((version) => [version.key, version]));
  const found = [...last.values()].find((version) => {
    if (deleted !== undefined) return version.key.startsWith(deleted) && version.value === null;
    if (!version.key.startsWith(live as string) || version.value === null) return false;
    const object = objectOf(version);
    if (state === "pending") return object?.["spec"]?.nodeName === undefined;
    return state === undefined || object?.metadata.deletionTimestamp !== undefined;
  });
  if (found === undefined) throw new Error("there is no such object");
  return found.key;
}

function short({ actor, replica, verb, key }: Answer["story"]["steps"][number]): string {
  return `${actor === "user" ? replica : actor} ${verb} ${parseKey(key).resource}`;
}

function check(answer: Answer, one: Case): void {
  if (one.verdict !== undefined) {
    expect(answer.verdict.kind).toBe(one.verdict.kind);
    expect(answer.verdict.text).toMatch(new RegExp(one.verdict.text));
  }
  if (one.pending !== undefined) {
    const counts = answer.pending && countsOf(answer.pending);
    expect(counts?.map(({ reason, nodes }) => `${reason} × ${nodes}`)).toEqual(one.pending);
  }
  if (one.notTried !== undefined) expect(answer.pending?.notTried).toBe(one.notTried);
  if (one.rollout !== undefined) {
    const { reasons, unavailable } = answer.rollout as NonNullable<Answer["rollout"]>;
    expect(reasons).toEqual(one.rollout.reasons.map((part) => expect.stringContaining(part)));
    const troubles = [...new Set(unavailable.flatMap((pod) => pod.troubles))];
    expect(troubles).toEqual(one.rollout.troubles.map((part) => expect.stringContaining(part)));
  } else expect(answer.rollout).toBeUndefined();
  if (one.troubles !== undefined) {
    expect(answer.troubles).toEqual(one.troubles.map((part) => expect.stringContaining(part)));
  }
  if (one.terminating !== undefined) {
    const { finalizers, content } = answer.terminating as NonNullable<Answer["terminating"]>;
    expect(finalizers).toEqual(one.terminating.finalizers);
    const left = content.flatMap(({ resource, objects }) =>
      objects.map((each) => `${resource} ${each.name} (${each.finalizers.join()})`),
    );
    expect(left).toEqual(one.terminating.left);
  }
}
