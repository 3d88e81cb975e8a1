import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Key, Revision, Version } from "../../shared/store/store.ts";
import { INVARIANTS } from "./invariants.ts";
import { ClusterState, type ObjectChange } from "./state.ts";

/** What a commit broke. */
export interface Violation {
  /** Its name. */
  readonly invariant: string;
  readonly message: string;
  /** The object that it was noticed by, and the revision that wrote it. */
  readonly key: Key;
  readonly revision: Revision;
  /** When the log took it, milliseconds since the Unix epoch. */
  readonly time: number;
  /** Who wrote it, by which decision, woken by what. */
  readonly actor: string;
  readonly replica: string;
  readonly trace: string;
  readonly cause: Revision;
  /** The snapshot that was decided on, where that is known. */
  readonly decidedAt?: Revision;
  /** Every key of the commit. */
  readonly keys: readonly Key[];
}

/** On which snapshot the decision with the trace was made; undefined when that is not known. */
export type DecidedAt = (trace: string) => Revision | undefined;

/** Actors whose commits are judged by what they were decided on. */
export const JUDGED: ReadonlySet<string> = new Set(["deployment", "replicaset"]);

/** A state of the log to begin with. */
export interface Beginning {
  readonly revision: Revision;
  readonly versions: readonly Version[];
}

/**
 * Checks the invariants over a log, commit by commit; the same for a simulation and a live cluster.
 * An invariant that needs to know the snapshot of a decision says nothing about a commit whose
 * snapshot is unknown, or older than the beginning.
 */
export class Verifier {
  readonly state = new ClusterState();
  readonly #begin: Revision;
  #revision: Revision;
  #commits = 0;
  #unknown = 0;

  constructor({ revision, versions }: Beginning = { revision: 0, versions: [] }) {
    this.#begin = revision;
    this.#revision = revision;
    const ascending = [...versions].sort((a, b) => a.revision - b.revision);
    for (const version of ascending) this.state.apply(this.#changeOf(version, undefined));
  }

  /** Of the last commit that was looked at. */
  get revision(): Revision {
    return this.#revision;
  }

  get commits(): number {
    return this.#commits;
  }

  /** Commits that could not be checked in full: on what they were decided is not known. */
  get unknown(): number {
    return this.#unknown;
  }

  /** Takes the next commit of the log, whole. */
  next(commit: readonly Version[], decidedAt: DecidedAt): Checked {
    const changes = commit.map((version) => {
      const change = this.#changeOf(version, this.#snapshotOf(version, decidedAt));
      this.state.apply(change);
      return change;
    });
    this.#commits++;
    const [first] = changes;
    if (first?.decidedAt === undefined && JUDGED.has(first?.headers.actor ?? "")) this.#unknown++;
    this.#revision = commit.at(-1)?.revision ?? this.#revision;
    const violations = INVARIANTS.flatMap((invariant) =>
      invariant.check(changes, this.state).map(({ message, key }): Violation => {
        const change = changes.find((each) => each.key === key) as ObjectChange;
        const time = commit[changes.indexOf(change)]?.time ?? 0;
        const { headers, revision, decidedAt: at } = change;
        const { actor, replica, trace, cause } = headers;
        return {
          invariant: invariant.name,
          message,
          key,
          revision,
          time,
          actor,
          replica,
          trace,
          cause,
          ...(at === undefined ? {} : { decidedAt: at }),
          keys: changes.map((each) => each.key),
        };
      }),
    );
    return { changes, violations };
  }

  #snapshotOf({ headers }: Version, decidedAt: DecidedAt): Revision | undefined {
    const at = decidedAt(headers.trace);
    return at === undefined || at < this.#begin ? undefined : at;
  }

  #changeOf({ key, revision, value, headers }: Version, decidedAt?: Revision): ObjectChange {
    const before = this.state.get(key);
    const resource = key.slice(0, key.indexOf("/"));
    const after = value === null ? undefined : (JSON.parse(value.toString()) as KubernetesObject);
    return { key, revision, resource, before, after, headers, decidedAt };
  }
}

export interface Checked {
  readonly changes: readonly ObjectChange[];
  readonly violations: readonly Violation[];
}
