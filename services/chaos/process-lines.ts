import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Target } from "./operator.ts";
import type { ProcessLine, ProcessSpan } from "./record.ts";

/** When each process was up: from one look at all of them to the next. */
export class ProcessLines {
  readonly #runtime: Runtime;
  readonly #lines = new Map<string, ProcessSpan[]>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  see(targets: readonly Target[]): void {
    const now = this.#runtime.clock.now();
    for (const target of targets) {
      const spans = this.#lines.get(target.name) ?? [];
      this.#lines.set(target.name, spans);
      const last = spans.at(-1);
      const state = stateOf(target);
      const from = last?.to ?? now;
      if (last?.state === state) spans[spans.length - 1] = { ...last, to: now };
      else spans.push({ from, to: now, state });
    }
  }

  lines(): ProcessLine[] {
    return [...this.#lines].map(([name, spans]) => ({ name, spans }));
  }
}

function stateOf({ pid, paused, answers }: Target): ProcessSpan["state"] {
  if (pid === null) return "down";
  if (paused) return "paused";
  return answers ? "up" : "starting";
}
