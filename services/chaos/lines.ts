import type { Target } from "./operator.ts";
import type { Line, ProcessState, Span } from "./record.ts";

/** How each of several things was: from one look at all of them to the next. */
export class Lines<State> {
  readonly #lines = new Map<string, Span<State>[]>();
  #seenAt = 0;

  /** What is there now; what is not has gone. */
  see(states: ReadonlyMap<string, State>, now: number): void {
    for (const [name, state] of states) {
      const spans = this.#lines.get(name) ?? [];
      this.#lines.set(name, spans);
      const last = spans.at(-1);
      const there = last !== undefined && last.to === this.#seenAt;
      if (there && last.state === state) spans[spans.length - 1] = { ...last, to: now };
      else spans.push({ from: there ? last.to : now, to: now, state });
    }
    this.#seenAt = now;
  }

  lines(): Line<State>[] {
    return [...this.#lines].map(([name, spans]) => ({ name, spans }));
  }
}

export function processStates(targets: readonly Target[]): Map<string, ProcessState> {
  return new Map(targets.map((target) => [target.name, stateOf(target)]));
}

function stateOf({ pid, paused, answers }: Target): ProcessState {
  if (pid === null) return "down";
  if (paused) return "paused";
  return answers ? "up" : "starting";
}

/** How many replicas of each actor are at work. */
export function replicaCounts(targets: readonly Target[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const actor of targets.flatMap(({ actors }) => actors)) {
    counts.set(actor, (counts.get(actor) ?? 0) + 1);
  }
  return counts;
}
