import type { EventsRequest } from "../../../shared/actor/api.ts";
import type { EventRecord } from "../../../shared/actor/plan.ts";
import { keyOf } from "../../../shared/api/key.ts";
import { apiVersionOf, kindByResource } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { authorize } from "../authorize.ts";
import type { EngineContext } from "../context.ts";
import { AdmissionError, type Asked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { hashText } from "../hash.ts";
import { cloneJson } from "../json.ts";
import type { UserInfo } from "../request.ts";
import { decideCreate } from "../verbs/create.ts";
import { decideUpdate } from "../verbs/update.ts";
import { write } from "../write.ts";
import { nodeOfIdentity } from "./identity.ts";

const EVENTS = kindByResource("events") as KindTable;
/** Events about cluster-scoped objects live here, as upstream. */
const CLUSTER_NAMESPACE = "default";
/** The same event within this time becomes a count of the first one. */
const AGGREGATION_MS = 60 * 60_000;

/**
 * Publishes the Kubernetes Events of an actor. An event's name follows from what it says and about
 * what, so that whoever says it again, on whichever replica, finds the one to count up.
 */
export async function publishEvents(
  context: EngineContext,
  user: UserInfo,
  request: EventsRequest,
): Promise<number> {
  const { actor, replica, events } = request;
  const host = nodeOfIdentity(user.username);
  for (const namespace of new Set(events.map(namespaceOf))) {
    const { group, plural: resource } = EVENTS;
    const of = { group, resource, subresource: "", namespace, name: "" };
    authorize(context, { user, verb: "create", ...of });
  }
  if (events.length === 0) return 0;
  const written = await write(context, {
    log: context.logs.events,
    keys: events.map((event) => keyOfEvent(actor, event, 0)),
    headers: { actor, replica, trace: "", cause: 0 },
    decide: (draft) => {
      let published = 0;
      for (const event of events) published += publishOne(draft, user, actor, host, event);
      return published;
    },
  });
  return written.result;
}

function namespaceOf(event: EventRecord): string {
  return event.regarding.namespace || CLUSTER_NAMESPACE;
}

function keyOfEvent(actor: string, event: EventRecord, generation: number): string {
  return keyOf("events", namespaceOf(event), nameOf(actor, event, generation));
}

/** `web-1.17f2a9c04be51d36`: looks like upstream's, whose digits are a time. */
function nameOf(actor: string, event: EventRecord, generation: number): string {
  const { regarding, type, reason, message } = event;
  const { resource, namespace, name, uid, fieldPath = "" } = regarding;
  const said = [
    actor,
    resource,
    namespace,
    name,
    uid,
    fieldPath,
    type,
    reason,
    message,
    generation,
  ];
  return `${name}.${hashText(JSON.stringify(said)).slice(0, 16)}`;
}

/** How often a new name is looked for when the event has ended an aggregation before. */
const GENERATIONS_MAX = 8;

function publishOne(
  draft: Draft,
  user: UserInfo,
  actor: string,
  host: string | undefined,
  event: EventRecord,
): number {
  draft.mark();
  try {
    for (let generation = 0; generation < GENERATIONS_MAX; generation++) {
      const name = nameOf(actor, event, generation);
      const namespace = namespaceOf(event);
      const asked: Asked = {
        user,
        table: EVENTS,
        subresource: "",
        namespace,
        name,
        manager: actor,
      };
      const present = draft.read(keyOf("events", namespace, name));
      if (present === undefined) {
        decideCreate(draft, asked, firstOf(draft, actor, host, event, name));
        return 1;
      }
      const first = Date.parse(present.firstTimestamp ?? present.metadata.creationTimestamp ?? "");
      if (draft.now - first > AGGREGATION_MS) continue;
      decideUpdate(draft, asked, { next: (old) => countedUp(draft, old) });
      return 1;
    }
    return 0;
  } catch (error) {
    // Nothing is told of a namespace that is going away.
    if (!(error instanceof AdmissionError)) throw error;
    draft.rollback();
    return 0;
  }
}

function countedUp(draft: Draft, old: KubernetesObject): KubernetesObject {
  const next = cloneJson(old);
  delete next.metadata.resourceVersion;
  next.count = (old.count ?? 1) + 1;
  next.lastTimestamp = formatTime(draft.now);
  return next;
}

function firstOf(
  draft: Draft,
  actor: string,
  host: string | undefined,
  event: EventRecord,
  name: string,
): KubernetesObject {
  const { regarding, type, reason, message } = event;
  const table = kindByResource(regarding.resource);
  const time = formatTime(draft.now);
  const { namespace, uid, fieldPath } = regarding;
  const involvedObject = {
    kind: table?.kind ?? "",
    ...(namespace ? { namespace } : {}),
    name: regarding.name,
    uid,
    apiVersion: table ? apiVersionOf(table) : "",
    ...(fieldPath ? { fieldPath } : {}),
  };
  return {
    kind: "Event",
    apiVersion: "v1",
    metadata: { name, namespace: namespaceOf(event) },
    involvedObject,
    reason,
    message,
    source: { component: actor, ...(host ? { host } : {}) },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: actor,
    reportingInstance: host ?? "",
  };
}
