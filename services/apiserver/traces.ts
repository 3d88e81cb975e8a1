import type { Key, Revision } from "../../shared/store/store.ts";
import type { Change, ProjectionReader } from "../../shared/store/view.ts";
import type { Log, LogName } from "./context.ts";
import type { EnginePlan, EnginePlanResult } from "./request.ts";

/** Commits of actors that are remembered; repetitions come within seconds. */
const TRACES_MAX = 4096;

interface Trace {
  last: Revision;
  readonly revisions: Map<Key, Revision>;
}

/**
 * Which plans were committed lately, by any replica: a plan that is sent again, because its answer
 * was lost, is answered and not carried out twice.
 */
export class Traces {
  readonly #byLog: Readonly<Record<LogName, Map<string, Trace>>> = {
    cluster: new Map(),
    events: new Map(),
    leases: new Map(),
  };

  /** Remembers every commit that the projection applies from now on. */
  follow(name: LogName, projection: ProjectionReader): void {
    const traces = this.#byLog[name];
    projection.subscribe(undefined, (change) => remember(traces, change));
  }

  /** The answer that the plan got, or would have got, when it was committed. */
  committed(plan: EnginePlan, log: Log): EnginePlanResult | undefined {
    const trace = this.#byLog[log.name].get(plan.trace);
    if (trace === undefined) return undefined;
    const results = plan.actions.map(({ key }) => {
      const revision = trace.revisions.get(key) ?? log.projection.get(key)?.revision;
      return revision === undefined ? {} : { revision };
    });
    return { outcome: "committed", revision: trace.last, results };
  }
}

function remember(traces: Map<string, Trace>, { entry, revision }: Change): void {
  const { actor, trace: id } = entry.headers;
  // Only actors send plans; people's requests are never repeated by themselves.
  if (actor === "user" || id === "") return;
  let trace = traces.get(id);
  if (trace === undefined) {
    trace = { last: revision, revisions: new Map() };
    traces.set(id, trace);
    if (traces.size > TRACES_MAX) traces.delete(traces.keys().next().value as string);
  }
  trace.last = revision;
  trace.revisions.set(entry.key, revision);
}
