import { ownerAmong } from "../../shared/actor/membership.ts";
import type { Key } from "../../shared/store/store.ts";
import type { Target } from "./operator.ts";
import type { Recovered, RecoveryRow } from "./record.ts";

/** What a process that was killed had been running. */
export interface Kill {
  readonly process: string;
  readonly at: number;
  readonly replicas: readonly KilledReplica[];
}

interface KilledReplica {
  readonly actor: string;
  readonly replica: string;
  /** All replicas of the actor that were at work then, itself among them. */
  readonly members: readonly string[];
}

/** Something that a replica of an actor did for a key. */
export interface Work {
  readonly actor: string;
  readonly replica: string;
  readonly key: Key;
  readonly at: number;
  /** Since when it was to be done. */
  readonly due: number;
}

/** After so long without work nothing was to be done. */
const WITHIN_MS = 15_000;
/** Work that came up later than this would have been done by whoever had taken over by then. */
const DUE_MS = 500;

/** Whoever has had a key for so long has looked after it. */
const TAKEN_MS = 1_000;

/** Agents of a node: nobody takes over for them, their process's next life goes on. */
const OF_THE_NODE: ReadonlySet<string> = new Set(["kubelet", "proxy", "dns"]);

/** What becomes of its keys is known of the actors that share them. */
export function killOf({ name, replicas }: Target, at: number, targets: readonly Target[]): Kill {
  const working = targets.filter(({ pid, paused }) => pid !== null && !paused);
  const all = working.flatMap((target) => target.replicas);
  const killed = replicas.map(({ actor, replica }) => ({
    actor,
    replica,
    members: all.filter((each) => each.actor === actor).map((each) => each.replica),
  }));
  return { process: name, at, replicas: killed };
}

/**
 * How long after each kill somebody else first did something for a key of the dead replica that was
 * due by then: an upper bound of the time in which nobody looked after its keys.
 */
export class Recovery {
  /** One for each actor of each process that was killed. */
  readonly measured: Recovered[] = [];

  /** What was measured directly: an actor that has no keys. */
  add(recovered: Recovered): void {
    this.measured.push(recovered);
  }

  /** Both may be in any order. */
  addWork(kills: readonly Kill[], work: readonly Work[]): void {
    const byActor = new Map<string, Work[]>();
    for (const each of [...work].sort((a, b) => a.at - b.at)) {
      const same = byActor.get(each.actor);
      if (same === undefined) byActor.set(each.actor, [each]);
      else same.push(each);
    }
    for (const kill of kills) {
      for (const killed of kill.replicas) {
        const after = kills.filter(({ at }) => at > kill.at + TAKEN_MS);
        const resumed = resumedAt(byActor.get(killed.actor) ?? [], { kill, killed, after });
        const ms = resumed === undefined ? {} : { ms: resumed - kill.at };
        this.add({ actor: killed.actor, process: kill.process, at: kill.at, ...ms });
      }
    }
  }

  rows(): RecoveryRow[] {
    const actors = [...new Set(this.measured.map(({ actor }) => actor))].sort();
    return actors.map((name) =>
      rowOf(
        name,
        this.measured.filter(({ actor }) => actor === name),
      ),
    );
  }

  /** Of all actors together. */
  total(): RecoveryRow {
    return rowOf("all", this.measured);
  }
}

interface Death {
  readonly kill: Kill;
  readonly killed: KilledReplica;
  /** Kills when others had long taken over. */
  readonly after: readonly Kill[];
}

/** When somebody else first did what had been the dead one's; the work is in order of time. */
function resumedAt(work: readonly Work[], death: Death): number | undefined {
  const { at } = death.kill;
  for (let index = firstAfter(work, at); index < work.length; index++) {
    const each = work[index] as Work;
    if (each.at > at + WITHIN_MS) return undefined;
    if (resumes(each, death)) return each.at;
  }
  return undefined;
}

function resumes(work: Work, death: Death): boolean {
  const { replica, key, due } = work;
  const { kill, killed } = death;
  if (replica === killed.replica || due > kill.at + DUE_MS) return false;
  if (OF_THE_NODE.has(killed.actor)) return replica.startsWith(`${kill.process}-`);
  return ownerAmong(killed.members, key) === killed.replica && !isOfLater(work, death);
}

/**
 * The one that took over has died meanwhile, too: what is done now follows from that death. Whoever
 * takes over looks at old versions, so that this cannot be told by what was due.
 */
function isOfLater(work: Work, { after }: Death): boolean {
  return after.some(
    (kill) =>
      kill.at < work.at &&
      kill.replicas.some(
        ({ actor, replica, members }) =>
          actor === work.actor && ownerAmong(members, work.key) === replica,
      ),
  );
}

/** Index of the first that is later; they are in order of time. */
function firstAfter(work: readonly Work[], at: number): number {
  let low = 0;
  let high = work.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((work[middle] as Work).at > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function rowOf(actor: string, measured: readonly Recovered[]): RecoveryRow {
  const sorted = measured.flatMap(({ ms }) => (ms === undefined ? [] : [ms])).sort((a, b) => a - b);
  const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  const kills = measured.length;
  return { actor, kills, measured: sorted.length, p50, p99, worst: sorted.at(-1) ?? 0 };
}

/** The value that so much of the sorted values do not exceed; 0 of none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
