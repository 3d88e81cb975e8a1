import type { EventsRequest } from "../../../shared/actor/api.ts";
import type { EventRecord } from "../../../shared/actor/plan.ts";
import { keyOf } from "../../../shared/api/key.ts";
import { apiVersionOf, kindByResource } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { formatTime } from "../../../shared/api/time.ts";
import { authorize } from "../authorize.ts";
import type { EngineContext } from "../context.ts";
import { AdmissionError } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { hashText } from "../hash.ts";
import { cloneJson } from "../json.ts";
import type { UserInfo } from "../request.ts";
import { decideCreate } from "../verbs/create.ts";
import { decideUpdate } from "../verbs/update.ts";
import { write } from "../write.ts";
import { DIGEST_DIGITS, type EventIndex, TIME_DIGITS } from "./event-index.ts";
import { nodeOfIdentity } from "./identity.ts";

const EVENTS = kindByResource("events") as KindTable;
/** Events about cluster-scoped objects live here, as upstream. */
const CLUSTER_NAMESPACE = "default";
/** The same event within this time becomes a count of the first one. */
const AGGREGATION_MS = 60 * 60_000;
/** So many are decided on together; people do not wait behind the hundreds of a batch. */
const EVENTS_PER_TURN = 16;

/**
 * Publishes the Kubernetes Events of an actor. What has been said before is counted up, whoever
 * said it, on whichever replica. Names are in the order of time: clients show events of one second
 * in the order of their names.
 */
export async function publishEvents(
  context: EngineContext,
  index: EventIndex,
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
  const publish = async (from: number): Promise<number> => {
    const part = events.slice(from, from + EVENTS_PER_TURN);
    const digests = new Map(part.map((event) => [event, digestOf(actor, event)]));
    const written = await write(context, {
      log: context.logs.events,
      keys: part.map((event) => lockOf(event, digests.get(event) as string)),
      headers: { actor, replica, trace: "", cause: 0 },
      decide: (draft) => {
        const publisher = new Publisher(draft, index, { user, actor, host }, from);
        const published = [...digests].filter((each) => publisher.publish(...each));
        return published.length;
      },
    });
    return written.result;
  };
  const parts: Promise<number>[] = [];
  for (let from = 0; from < events.length; from += EVENTS_PER_TURN) {
    const begun = new Promise<number>((resolve) => {
      context.turns.push(() => resolve(publish(from)));
    });
    parts.push(begun);
  }
  const numbers = await Promise.all(parts);
  return numbers.reduce((sum, number) => sum + number, 0);
}

function namespaceOf(event: EventRecord): string {
  return event.regarding.namespace || CLUSTER_NAMESPACE;
}

/** What follows from what is said and about what: four hexadecimal digits. */
function digestOf(actor: string, event: EventRecord): string {
  const { regarding, type, reason, message } = event;
  const { resource, namespace, name, uid, fieldPath = "" } = regarding;
  const said = [actor, resource, namespace, name, uid, fieldPath, type, reason, message];
  return hashText(JSON.stringify(said)).slice(0, DIGEST_DIGITS);
}

/** One step of the time in a name, as of upstream's names: 2^16 nanoseconds. */
const STEPS_PER_MS = 1_000_000 / 2 ** 16;

/** Who says the same at the same time waits for the first. */
function lockOf(event: EventRecord, digest: string): string {
  return keyOf("events", namespaceOf(event), `${event.regarding.name}.${digest}`);
}

interface Speaker {
  readonly user: UserInfo;
  readonly actor: string;
  readonly host: string | undefined;
}

/** Publishes a part of a batch of events on one draft. */
class Publisher {
  readonly #draft: Draft;
  readonly #index: EventIndex;
  readonly #speaker: Speaker;
  /** Time of the next name: the events of a batch come one after the other. */
  #step: number;
  /** Names given in this batch, by namespace and name without the time. */
  readonly #given = new Map<string, string>();

  /** `from`: so many events of the batch come before, and so do their names. */
  constructor(draft: Draft, index: EventIndex, speaker: Speaker, from: number) {
    this.#draft = draft;
    this.#index = index;
    this.#speaker = speaker;
    this.#step = Math.floor(draft.now * STEPS_PER_MS) + from;
  }

  /** False when nothing may be told: the namespace is going away. */
  publish(event: EventRecord, digest: string): boolean {
    this.#draft.mark();
    try {
      this.#publish(event, digest);
      return true;
    } catch (error) {
      if (!(error instanceof AdmissionError)) throw error;
      this.#draft.rollback();
      return false;
    }
  }

  #publish(event: EventRecord, digest: string): void {
    const { user, actor } = this.#speaker;
    const namespace = namespaceOf(event);
    const asked = { user, table: EVENTS, subresource: "", namespace, manager: actor };
    const present = this.#present(event, digest);
    if (present !== undefined) {
      const next = (old: KubernetesObject) => countedUp(this.#draft, old);
      decideUpdate(this.#draft, { ...asked, name: present }, { next });
      return;
    }
    const name = this.#newName(event, digest);
    decideCreate(this.#draft, { ...asked, name }, firstOf(this.#draft, this.#speaker, event, name));
    this.#given.set(lockOf(event, digest), name);
  }

  /** `web-1.17f2a9c04be51d36`: as upstream's, the digits are mostly a time. */
  #newName(event: EventRecord, digest: string): string {
    const time = (this.#step++).toString(16).padStart(TIME_DIGITS, "0");
    return `${event.regarding.name}.${time}${digest}`;
  }

  /**
   * The event that says the same and has not ended: counted up for an hour, then comes a new one.
   */
  #present(event: EventRecord, digest: string): string | undefined {
    const { actor } = this.#speaker;
    const given = this.#given.get(lockOf(event, digest));
    if (given !== undefined) return given;
    const namespace = namespaceOf(event);
    const oldest = this.#draft.now - AGGREGATION_MS;
    const names = this.#index.find(namespace, event.regarding.name, digest);
    return names.findLast((name) => {
      const object = this.#draft.read(keyOf("events", namespace, name));
      return object !== undefined && firstTime(object) >= oldest && says(object, actor, event);
    });
  }
}

function firstTime(event: KubernetesObject): number {
  return Date.parse(event["firstTimestamp"] ?? event.metadata.creationTimestamp ?? "");
}

function says(object: KubernetesObject, actor: string, event: EventRecord): boolean {
  const { regarding, type, reason, message } = event;
  const about = object["involvedObject"] as EventAbout;
  return (
    object["type"] === type &&
    object["reason"] === reason &&
    object["message"] === message &&
    object["source"]?.component === componentOf(actor) &&
    about.kind === (kindByResource(regarding.resource)?.kind ?? "") &&
    about.uid === regarding.uid &&
    (about.fieldPath ?? "") === (regarding.fieldPath ?? "")
  );
}

interface EventAbout {
  readonly kind: string;
  readonly uid: string;
  readonly fieldPath?: string;
}

/** What Kubernetes calls the actors that tell of something; the others go by their own names. */
const COMPONENTS: Readonly<Record<string, string>> = {
  deployment: "deployment-controller",
  replicaset: "replicaset-controller",
  "node-lifecycle": "node-controller",
  "taint-eviction": "taint-eviction-controller",
};

function componentOf(actor: string): string {
  return COMPONENTS[actor] ?? actor;
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
  { actor, host }: Speaker,
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
    source: { component: componentOf(actor), ...(host ? { host } : {}) },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: componentOf(actor),
    reportingInstance: host ?? "",
  };
}
