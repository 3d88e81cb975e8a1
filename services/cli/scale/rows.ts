/** What is shown of the replicas of actors: from two looks at all processes. */
import type { ActorState, ProcessState } from "../../../shared/actor/orders.ts";
import { CONTROL_ACTORS } from "../layout.ts";
import { NATS_SERVER } from "../supervisor.ts";
import type { SupervisorStatus } from "../supervisor-orders.ts";

type LogName = NonNullable<ActorState["log"]>;

/** What all processes said at one moment. */
export interface Sample {
  /** How far each log was. */
  readonly heads: Partial<Record<LogName, number>>;
  readonly states: readonly ProcessState[];
  readonly supervisor?: SupervisorStatus;
}

/** A replica of an actor. What is not known is absent. */
export interface ActorRow {
  readonly actor: string;
  readonly process: string;
  readonly pid?: number;
  /** Whether the process answered. */
  readonly answers: boolean;
  readonly faults: readonly string[];
  readonly keys?: number;
  readonly revision?: number;
  /** Revisions between what it has seen and the end of its log. */
  readonly lag?: number;
  readonly queued?: number;
  readonly inFlight?: number;
  readonly passesPerSecond?: number;
  readonly refusedPerSecond?: number;
  readonly restarts?: number;
  /** Of the whole process. */
  readonly memoryBytes?: number;
}

const ORDER = ["apiserver", ...CONTROL_ACTORS];

/** A row for each replica, and one for each process that does not answer. */
export function actorRows(before: Sample, now: Sample): ActorRow[] {
  const supervised = new Map(now.supervisor?.processes.map((each) => [each.name, each]));
  const rows = now.states.flatMap((state) => {
    const { process, pid, memoryBytes, faults } = state;
    const earlier = before.states.find((other) => other.process === process && other.pid === pid);
    const restarts = supervised.get(process)?.restarts;
    const common = { process, pid, memoryBytes, faults, answers: true };
    const counted = restarts === undefined ? common : { ...common, restarts };
    return state.actors.map((actor) => ({
      actor: actor.actor,
      ...counted,
      ...figures(actor, now.heads),
      ...rates(actor, state, earlier),
    }));
  });
  const known = new Set(rows.map(({ process }) => process));
  const silent = [...supervised.values()]
    .filter(({ name }) => !known.has(name))
    .map(({ name, pid, restarts }) => ({
      actor: name,
      process: name,
      ...(pid !== null && { pid }),
      // nats-server is no process of actors; it need not answer.
      answers: name === NATS_SERVER,
      faults: [],
      restarts,
    }));
  return [...rows, ...silent].sort(
    (a, b) => placeOf(a) - placeOf(b) || compare(a.actor, b.actor) || compare(a.process, b.process),
  );
}

function figures(
  { log, revision, keys, queued, inFlight }: ActorState,
  heads: Sample["heads"],
): Partial<ActorRow> {
  const head = log && heads[log];
  const known = revision !== undefined && head !== undefined;
  return {
    ...(keys !== undefined && { keys }),
    ...(revision !== undefined && { revision }),
    // The log was asked a moment before or after the actor.
    ...(known && { lag: Math.max(0, head - revision) }),
    ...(queued !== undefined && { queued }),
    ...(inFlight !== undefined && { inFlight }),
  };
}

function rates(
  actor: ActorState,
  state: ProcessState,
  earlier: ProcessState | undefined,
): Partial<ActorRow> {
  const old = earlier?.actors.find((other) => other.actor === actor.actor);
  if (earlier === undefined || old === undefined) return {};
  const seconds = (state.uptimeMs - earlier.uptimeMs) / 1000;
  if (seconds <= 0) return {};
  const perSecond = (count: number | undefined, then: number | undefined) =>
    // One that was stopped and started meanwhile counts from 0 again.
    count === undefined || then === undefined ? undefined : Math.max(0, count - then) / seconds;
  const passes = perSecond(actor.passes, old.passes);
  const refused = perSecond(actor.refused, old.refused);
  return {
    ...(passes !== undefined && { passesPerSecond: passes }),
    ...(refused !== undefined && { refusedPerSecond: refused }),
  };
}

function placeOf({ actor }: ActorRow): number {
  const place = ORDER.indexOf(actor);
  return place < 0 ? ORDER.length : place;
}

/** By number where names differ in one: `control-2` before `control-10`. */
function compare(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
