import type { Event as CoreEvent, EventsV1Event } from "../../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { column, NAME, type Printer, since, wide } from "./column.ts";

/** Events of both groups; they are stored in one form and may be shown in either. */
export const events: Printer = {
  columns: [
    column("Last Seen", "string", "Time since it happened last."),
    column("Type", "string", "Normal or Warning."),
    column("Reason", "string", "Why, in one word."),
    column("Object", "string", "What it happened to."),
    wide("Subobject", "string", "Which part of the object it happened to."),
    wide("Source", "string", "Who reports it."),
    column("Message", "string", "What happened."),
    wide("First Seen", "string", "Time since it happened first."),
    wide("Count", "integer", "How often it happened."),
    { ...NAME, priority: 1 },
  ],
  cells(object, now) {
    const event = unified(object);
    const firstSeen = since(event.first || event.time, now);
    return [
      event.series ? since(event.series.lastObservedTime, now) : lastSeen(event, firstSeen, now),
      event.type,
      event.reason,
      targetOf(event.target),
      event.target?.fieldPath ?? "",
      event.source,
      event.message.trim(),
      firstSeen,
      event.series?.count ?? (event.count || 1),
      object.metadata.name,
    ];
  },
};

interface Unified {
  readonly first: string | undefined;
  readonly last: string | undefined;
  readonly time: string | undefined;
  readonly count: number | undefined;
  readonly series: { readonly count?: number; readonly lastObservedTime?: string } | undefined;
  readonly target: CoreEvent["involvedObject"] | undefined;
  readonly source: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** The fields of either form. */
function unified(object: KubernetesObject): Unified {
  const event = object as CoreEvent & EventsV1Event;
  const source = event.source ?? event.deprecatedSource;
  const controller = event.reportingComponent ?? event.reportingController;
  return {
    first: event.firstTimestamp ?? event.deprecatedFirstTimestamp,
    last: event.lastTimestamp ?? event.deprecatedLastTimestamp,
    time: event.eventTime,
    count: event.count ?? event.deprecatedCount,
    series: event.series ?? undefined,
    target: event.involvedObject ?? event.regarding,
    source: [source?.component || controller, source?.host || event.reportingInstance]
      .filter(Boolean)
      .join(", "),
    type: event.type ?? "",
    reason: event.reason ?? "",
    message: event.message ?? event.note ?? "",
  };
}

function lastSeen(event: Unified, firstSeen: string, now: number): string {
  return event.last ? since(event.last, now) : firstSeen;
}

function targetOf(target: CoreEvent["involvedObject"] | undefined): string {
  const kind = (target?.kind ?? "").toLowerCase();
  return target?.name ? `${kind}/${target.name}` : kind;
}
