import { ChangeReader, fieldsOf, type RecordedChange } from "../../../shared/log/changes.ts";
import type { DecisionRecord } from "../../../shared/log/decision.ts";
import type { Key, Revision, Version } from "../../../shared/store/store.ts";
import type { SimulatedRun } from "../run.ts";

/** One commit of an undisturbed run, with the decision behind it. */
export interface RecordedCommit {
  /** Of its first and its last write. */
  readonly first: Revision;
  readonly last: Revision;
  readonly actor: string;
  /** The process that decided it; of a user's request, the one that carried it out. */
  readonly process: string;
  /** The apiserver that sent it to the log. */
  readonly apiserver: string;
  readonly trace: string;
  /** Revision that woke the decision; 0: none. */
  readonly cause: Revision;
  readonly decision: DecisionRecord | undefined;
  readonly writes: readonly RecordedWrite[];
}

export interface RecordedWrite {
  readonly key: Key;
  readonly verb: RecordedChange["verb"];
  /** `created pods`, `changed replicasets.apps spec.replicas`. */
  readonly kind: string;
  /** The key, of a name that is generated only what it begins with. */
  readonly family: string;
}

/** Replicas of the cluster itself; anybody else is a user. */
const OWN_PROCESS = /^(?:apiserver|control|node)-\d+-\d+$/;
/** Their names are drawn by chance. */
const DRAWN_NAMES = /^(coxswain\.ipallocations\/_\/).*/;

/** Writes down what a run commits, and why. */
export class Recorder {
  readonly commits: RecordedCommit[] = [];
  readonly #run: SimulatedRun;
  readonly #decisions = new Map<string, DecisionRecord>();
  readonly #changes = new ChangeReader();
  #writes: RecordedWrite[] = [];
  #first: Revision = 0;

  constructor(run: SimulatedRun) {
    this.#run = run;
    run.logs.cluster.store.watch("", 0, {
      version: (version) => this.#take(version),
      failed: (error) => {
        throw error;
      },
    });
  }

  decided(record: DecisionRecord): void {
    this.#decisions.set(record.trace, record);
  }

  /** Decisions are recorded after their commits. */
  finish(): readonly RecordedCommit[] {
    return this.commits.map((commit) => ({
      ...commit,
      decision: this.#decisions.get(commit.trace),
    }));
  }

  #take(version: Version): void {
    const change = this.#changes.next(version);
    if (this.#writes.length === 0) this.#first = version.revision;
    if (change !== undefined) this.#writes.push(writeOf(change));
    if (version.more) return;
    const { actor, replica, trace, cause } = version.headers;
    const { committer } = this.#run.logs.cluster;
    const own = OWN_PROCESS.test(replica);
    this.commits.push({
      first: this.#first,
      last: version.revision,
      actor: own ? actor : "user",
      process: own ? replica.replace(/-\d+$/, "") : committer,
      apiserver: committer,
      trace,
      cause,
      decision: undefined,
      writes: this.#writes,
    });
    this.#writes = [];
  }
}

function writeOf(change: RecordedChange): RecordedWrite {
  const { key } = change.version;
  const [resource = ""] = key.split("/");
  const fields = new Set(fieldsOf(change).map(({ path }) => shortened(path)));
  const kind = [change.verb, resource, ...[...fields].sort()].join(" ");
  return { key, verb: change.verb, kind, family: familyOf(change) };
}

function familyOf({ version: { key }, object, old }: RecordedChange): string {
  const { generateName, name = "" } = (object ?? old)?.metadata ?? {};
  if (generateName) return `${key.slice(0, key.length - name.length)}${generateName}*`;
  return key.replace(DRAWN_NAMES, "$1*");
}

/** `status.conditions[Ready].status` is `status.conditions`: which field, not which item. */
function shortened(path: string): string {
  return path
    .replaceAll(/\[[^\]]*\]/g, "")
    .split(".")
    .slice(0, 2)
    .join(".");
}
