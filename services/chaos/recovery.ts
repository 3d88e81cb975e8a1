import type { Key } from "../../shared/store/store.ts";
import type { RecoveryRow } from "./record.ts";

export interface Kill {
  readonly process: string;
  readonly pid: number;
  readonly at: number;
}

/** Something that a replica of an actor did for a key. */
export interface Work {
  readonly actor: string;
  readonly replica: string;
  readonly key: Key;
  readonly at: number;
}

/** After so long without work nothing was to be done. */
const WITHIN_MS = 15_000;

/**
 * How long after each kill another replica of an actor first did something for a key that the dead
 * one had been the last to do something for. Measured in one pass over all work, by time.
 */
export class Recovery {
  readonly #rows = new Map<string, { kills: number; times: number[] }>();

  /** What was measured directly: an actor that has no keys. */
  add(actor: string, ms: number | undefined): void {
    const row = this.#rows.get(actor) ?? { kills: 0, times: [] };
    row.kills++;
    if (ms !== undefined) row.times.push(ms);
    this.#rows.set(actor, row);
  }

  /** Both may be in any order. */
  addWork(kills: readonly Kill[], work: readonly Work[]): void {
    const byTime = [...work].sort((a, b) => a.at - b.at);
    const pending = [...kills].sort((a, b) => a.at - b.at);
    const owners = new Map<string, string>();
    const actorsOf = new Map<string, Set<string>>();
    let open: OpenKill[] = [];
    for (const { actor, replica, key, at } of byTime) {
      while (pending[0] !== undefined && pending[0].at < at) {
        open.push(...openKills(pending.shift() as Kill, actorsOf));
      }
      const owned = `${actor} ${key}`;
      const before = owners.get(owned);
      open = open.filter((kill) => {
        if (at - kill.at > WITHIN_MS) {
          this.add(kill.actor, undefined);
          return false;
        }
        if (kill.actor !== actor || before !== kill.replica || replica === before) return true;
        this.add(actor, at - kill.at);
        return false;
      });
      owners.set(owned, replica);
      const actors = actorsOf.get(replica);
      if (actors === undefined) actorsOf.set(replica, new Set([actor]));
      else actors.add(actor);
    }
    for (const { actor } of open) this.add(actor, undefined);
  }

  rows(): RecoveryRow[] {
    return [...this.#rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([actor, { kills, times }]) => {
        const sorted = [...times].sort((a, b) => a - b);
        const measured = sorted.length;
        const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
        return { actor, kills, measured, p50, p99, worst: sorted.at(-1) ?? 0 };
      });
  }
}

interface OpenKill {
  readonly actor: string;
  readonly replica: string;
  readonly at: number;
}

/** One for each actor that the dead process had been seen to work as. */
function openKills(
  { process, pid, at }: Kill,
  actorsOf: ReadonlyMap<string, ReadonlySet<string>>,
): OpenKill[] {
  const replica = `${process}-${pid}`;
  return [...(actorsOf.get(replica) ?? [])].map((actor) => ({ actor, replica, at }));
}

/** The value that so much of the sorted values do not exceed; 0 of none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
