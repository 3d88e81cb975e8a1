/** What a chain of causes says: its steps in words, and the sentence that answers the question. */
import type { KubernetesObject } from "../../../../shared/api/object.ts";
import type { Cause, Chain, ChainEnd } from "../../../../shared/log/causality.ts";
import { objectOf } from "../../../../shared/log/changes.ts";
import type { History } from "../../../../shared/log/history.ts";
import { summarize } from "../../../../shared/log/summary.ts";
import {
  CompactedError,
  type Key,
  type Revision,
  type Version,
} from "../../../../shared/store/store.ts";
import { keyText } from "../text.ts";

/** One step of the answer, newest first; times in milliseconds. */
export interface Step {
  readonly revision: Revision;
  readonly time: number;
  readonly key: Key;
  readonly verb: "created" | "changed" | "marked for deletion" | "deleted";
  readonly actor: string;
  readonly replica: string;
  readonly trace: string;
  /** What changed in the object, in a few words. */
  readonly change: string;
  /** Why, in the words of the decision. */
  readonly reason?: string;
  readonly decided?: Decided;
  /** No change woke the decision: a clock did, or a replica that looked at everything anew. */
  readonly byClock?: true;
  /** Writes of the same work that lie between this step and the next. */
  readonly folded?: number;
}

/** How the step came about. */
export interface Decided {
  readonly about: Key;
  /** The revision that the decision was made on. */
  readonly on: Revision;
  /** Version of the actor's code. */
  readonly version: number;
  /** Versions that the plan rests on: it would have been refused if one had changed. */
  readonly lookedAt: readonly { readonly key: Key; readonly revision: Revision }[];
  /** From the cause's commit to the decision. */
  readonly waitedMs?: number;
  readonly tookMicros: number;
  /** From the decision to the commit. */
  readonly committedMs: number;
}

export interface Story {
  readonly steps: readonly Step[];
  readonly end: ChainEnd;
}

/** Tells a chain. */
export async function storyOf(history: History, chain: Chain): Promise<Story> {
  const steps = await Promise.all(chain.causes.map((cause) => stepOf(history, cause)));
  return { steps, end: chain.end };
}

async function stepOf(history: History, cause: Cause): Promise<Step> {
  const { version, decision, folded } = cause;
  const { revision, key, time, headers } = version;
  const before = await versionBefore(history, version);
  const [old, object] = [objectOf(before), objectOf(version)];
  const verb = verbOf(old, object);
  return {
    revision,
    time,
    key,
    verb,
    actor: headers.actor,
    replica: headers.replica,
    trace: headers.trace,
    change: verb === "changed" ? summarize(old, object, 2) : "",
    ...(decision?.plan.reason ? { reason: decision.plan.reason } : {}),
    ...(decision === undefined ? {} : { decided: decidedOf(cause) as Decided }),
    ...(headers.cause === 0 && decision !== undefined ? { byClock: true } : {}),
    ...(folded > 0 ? { folded } : {}),
  };
}

function decidedOf({ version, wokenBy, decision }: Cause): Decided | undefined {
  if (decision === undefined) return undefined;
  const { key, decidedAt, now, micros, plan } = decision;
  const rank = (of: Key): number => (of === version.key ? 0 : of === key ? 1 : 2);
  const lookedAt = new Map<Key, Revision>();
  for (const action of plan.actions) {
    const expect = "expect" in action ? action.expect : undefined;
    if (expect !== undefined) lookedAt.set(action.key, Number(expect));
  }
  return {
    about: key,
    on: decidedAt,
    version: decision.version,
    lookedAt: [...lookedAt]
      .map(([of, revision]) => ({ key: of, revision }))
      // What the step is about first, then what was decided about, then the rest.
      .sort((a, b) => rank(a.key) - rank(b.key)),
    ...(wokenBy !== undefined && wokenBy.time <= now ? { waitedMs: now - wokenBy.time } : {}),
    tookMicros: micros,
    committedMs: Math.max(0, version.time - now),
  };
}

function verbOf(
  old: KubernetesObject | undefined,
  object: KubernetesObject | undefined,
): Step["verb"] {
  if (object === undefined) return "deleted";
  if (old === undefined) return "created";
  const marked = old.metadata.deletionTimestamp === undefined;
  return marked && object.metadata.deletionTimestamp ? "marked for deletion" : "changed";
}

/** The version that this one replaced; undefined also when it is older than the history. */
export async function versionBefore(
  history: History,
  { key, revision }: Version,
): Promise<Version | undefined> {
  try {
    return await history.logs.cluster.get(key, revision - 1);
  } catch (error) {
    if (error instanceof CompactedError) return undefined;
    throw error;
  }
}

/** A person, or the actor and which of its replicas. */
export function whoOf({ actor, replica }: Pick<Step, "actor" | "replica">): string {
  return actor === "user" ? replica : `${actor}/${replica}`;
}

/** Where the chain begins, in words. */
export function beginningOf({ steps, end }: Story): string {
  const root = steps.at(-1) as Step;
  switch (end) {
    case "user":
      return `${root.replica} ${askedFor(root)}`;
    case "cluster":
      return "the cluster itself, which keeps its standing objects";
    case "clock":
      return `a clock: ${root.actor} acts by itself when the time has come`;
    case "history":
      return `older than the history: revision ${root.revision} is as far back as it goes`;
    case "length":
      return `further back than ${steps.length} steps`;
  }
}

/** What a person asked for with a write. */
export function askedFor({ verb, key, change }: Step): string {
  const object = keyText(key);
  if (verb === "created") return `created ${object}`;
  if (verb === "deleted" || verb === "marked for deletion") return `deleted ${object}`;
  return `changed ${object}${change === "" ? "" : `: ${change}`}`;
}
