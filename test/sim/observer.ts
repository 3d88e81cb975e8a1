import type { ClusterState, ObjectChange } from "../../services/verify/state.ts";
import { Verifier } from "../../services/verify/verifier.ts";
import type { MemoryStore } from "../../shared/store/memory.ts";
import type { Key, Revision, Version } from "../../shared/store/store.ts";

const PLAN_HEAD_BYTES = 300;

/** Follows the log without delay and checks the invariants after each commit. */
export class Observer {
  readonly violations: string[] = [];
  /** What each revision wrote. */
  readonly written = new Map<Revision, Key>();
  readonly #verifier = new Verifier();
  readonly #trace: (line: string) => void;
  /** By trace: which snapshot a plan was decided on. */
  readonly #decided = new Map<string, Revision>();
  #commit: Version[] = [];

  constructor(store: MemoryStore, trace: (line: string) => void) {
    this.#trace = trace;
    store.watch("", 0, {
      version: (version) => this.#take(version),
      failed: (error) => void this.violations.push(`the log failed: ${error.message}`),
    });
  }

  /** The truth, which no process sees without delay. */
  get state(): ClusterState {
    return this.#verifier.state;
  }

  /** Of the last commit. */
  get revision(): Revision {
    return this.#verifier.revision;
  }

  /** A plan has been sent; its head says on which snapshot it was decided. */
  planned(data: Uint8Array): void {
    const head = Buffer.from(data.subarray(0, PLAN_HEAD_BYTES)).toString();
    const [, trace] = /"trace":"(\w+)/.exec(head) ?? [];
    const [, decidedAt] = /"decidedAt":(\d+)/.exec(head) ?? [];
    if (trace && decidedAt) this.#decided.set(trace, Number(decidedAt));
  }

  #take(version: Version): void {
    this.#commit.push(version);
    if (version.more) return;
    const commit = this.#commit;
    this.#commit = [];
    for (const { revision, key } of commit) this.written.set(revision, key);
    const checked = this.#verifier.next(commit, (trace) => this.#decided.get(trace));
    this.#trace(describe(checked.changes));
    for (const { message } of checked.violations) {
      this.violations.push(`revision ${version.revision}: ${message}`);
      this.#trace(`VIOLATION ${message}`);
    }
  }
}

function describe(commit: readonly ObjectChange[]): string {
  const writes = commit.map(({ key, before, after }) => {
    const verb = after === undefined ? "-" : before === undefined ? "+" : "~";
    return `${verb}${key}`;
  });
  const { revision, headers } = commit.at(-1) as ObjectChange;
  return `log ${revision} ${headers.actor}@${headers.replica}: ${writes.join(" ")}`;
}
