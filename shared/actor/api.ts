import type { GroupResource } from "../api/key.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key, Revision } from "../store/store.ts";
import type { Action, EventRecord } from "./plan.ts";

/**
 * What actors ask of the apiserver over the bus (DESIGN D14). A request is published on
 * `api.<identity>.<verb>` and served by any apiserver replica (queue group `apiserver`); NATS
 * permissions let a connection publish only under its own identity, so the subject authenticates.
 * Identities are Kubernetes user names with `.` escaped (nats/subjects.ts `identityToken`):
 * `system:kube-scheduler`, `system:controller:replicaset`, `system:node:node-1`.
 * Payloads are JSON, checked with zod on arrival.
 */
export interface PlanRequest {
  /** ULID; becomes the trace header of every write. A request may be repeated with the same id. */
  readonly trace: string;
  readonly actor: string;
  readonly replica: string;
  /** Revision of the version that woke the decision (0: a timer). */
  readonly cause: Revision;
  /** Snapshot revision that the plan was decided on. */
  readonly decidedAt: Revision;
  readonly actions: readonly Action[];
}

export type PlanResponse =
  | {
      readonly outcome: "committed";
      /** Revision of the last write; the actor waits for it before deciding on the key again. */
      readonly revision: Revision;
      /** One per action: its revision, or the Status with which admission dropped that action. */
      readonly results: readonly ActionResult[];
    }
  | {
      readonly outcome: "refused";
      /** Status of the first action that failed; nothing was written. */
      readonly status: StatusBody;
      /** Wait until the snapshot has passed this revision before trying again. */
      readonly revision: Revision;
    };

/**
 * Verb `plans`: several plans in one message, for an actor that decides on many keys at once. They
 * have nothing to do with one another: each is committed or refused on its own.
 */
export interface PlansRequest {
  readonly plans: readonly PlanRequest[];
}

export interface PlansResponse {
  /** In the order of the plans. A Status: that plan could not be taken now; send it again. */
  readonly responses: readonly (PlanResponse | StatusBody)[];
}

export const PLANS_PER_REQUEST_MAX = 100;

export interface ActionResult {
  readonly revision?: Revision;
  readonly dropped?: StatusBody;
}

/** Kubernetes' `Status` (meta/v1). */
export interface StatusBody {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Record<string, unknown>;
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly causes?: readonly { reason?: string; message?: string; field?: string }[];
    readonly retryAfterSeconds?: number;
  };
  readonly code: number;
}

/** Verb `get`: answers the object as JSON, or a Status with `"status":"Failure"`. */
export interface GetRequest {
  readonly key: Key;
}

/**
 * Verb `watch`, the feed of actors that may not read the whole log (node agents, proxies, DNS):
 * the answer is a stream of WatchFrame messages on the request's reply subject, at least one per
 * `WATCH_BEAT_MS`. A consumer that misses two beats asks again, from the last revision it has, and
 * any apiserver replica continues. `fieldSelector` as in the Kubernetes API
 * (`spec.nodeName=node-1`).
 */
export interface WatchRequest {
  readonly resource: GroupResource;
  readonly namespace?: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Absent: begin with the present state, closed by a `synced` frame. */
  readonly from?: Revision;
  /** Names this watch in `more` and `stop`; the reply subject of the request. */
  readonly consumer: string;
}

/**
 * A frame of a watch. `sequence` counts 1, 2, 3, ... from the request on, over all frame types: a
 * gap means that a frame was lost on the way, and the consumer asks again from what it has.
 * With `from`, versions come in order of revision; a `beat` promises that everything up to its
 * revision has been sent.
 */
export type WatchFrame = { readonly sequence: number } & (
  | {
      readonly type: "version";
      readonly key: Key;
      readonly revision: Revision;
      /** Undefined: deleted, or no longer selected. It comes without managedFields. */
      readonly object?: KubernetesObject;
    }
  | { readonly type: "synced"; readonly revision: Revision }
  | { readonly type: "beat"; readonly revision: Revision }
  | { readonly type: "ended"; readonly status: StatusBody }
);

export const WATCH_BEAT_MS = 250;

/**
 * Verb `more`, published without a reply to every apiserver replica: the consumer lives and has
 * taken the frames up to `received`. A server lets at most `WATCH_WINDOW_FRAMES` be under way, and
 * ends a watch that it has not heard of for `WATCH_SILENCE_MS`.
 */
export interface MoreRequest {
  readonly consumer: string;
  readonly received: number;
}

export const WATCH_WINDOW_FRAMES = 1024;
export const WATCH_SILENCE_MS = 10_000;

/** Verb `stop`, published without a reply to every apiserver replica: ends a watch early. */
export interface StopRequest {
  readonly consumer: string;
}

/**
 * Verb `event`: publishes Kubernetes Events. The same event about the same object within the
 * aggregation window becomes a count. Answers `{"published": <number>}`, or a Status.
 */
export interface EventsRequest {
  readonly actor: string;
  readonly replica: string;
  readonly events: readonly EventRecord[];
}

/** Verb `token`: a token for a service account; answers the TokenRequest or a Status. */
export interface TokenRequestMessage {
  readonly namespace: string;
  readonly name: string;
  /** `authentication.k8s.io/v1` TokenRequest. */
  readonly request: KubernetesObject;
}

/**
 * Verb `request`: any request for a resource, as over HTTPS, except watches. The answer is a
 * `ResourceReply`.
 */
export interface ResourceMessage {
  readonly verb: "get" | "list" | "create" | "update" | "patch" | "delete" | "deletecollection";
  readonly resource: GroupResource;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON; for patches with the `contentType` of the patch. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly trace?: string;
}

export interface ResourceReply {
  readonly code: number;
  readonly warnings?: readonly string[];
  /** The answer's JSON: an object, a list or a Status. */
  readonly body: unknown;
}

/**
 * Published without a reply on `heartbeat.<node>`, naming that node alone, by its agent; on
 * `heartbeats`, naming any, by a process that plays many. Folded into Leases, never stored itself.
 */
export interface Heartbeat {
  readonly nodes: readonly string[];
}

export const HEARTBEAT_NODES_MAX = 10_000;
