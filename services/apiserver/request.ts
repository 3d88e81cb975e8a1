import type { ActionResult, StatusBody } from "../../shared/actor/api.ts";
import type { RoleRef } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { KindTable, SubresourceTable } from "../../shared/api/schema.ts";
import type { Revision } from "../../shared/store/store.ts";

/** Who asks: authenticated by certificate, token or bus subject, before the engine sees it. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Kubernetes API verbs as RBAC names them. */
export type Verb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection";

/**
 * One request for a resource, the same for HTTPS and for the bus: the transport has parsed the path
 * and authenticated the user; the engine authorizes, admits, decides, commits and answers.
 */
export interface ResourceRequest {
  readonly verb: Verb;
  readonly user: UserInfo;
  readonly table: KindTable;
  readonly subresource?: SubresourceTable;
  /** "" for cluster-scoped resources and for requests across all namespaces. */
  readonly namespace: string;
  /** "" for collections. */
  readonly name: string;
  readonly query: URLSearchParams;
  /** Raw, undecoded; the engine decodes it once. */
  readonly body: Buffer;
  readonly contentType: string;
  /** The Accept header: JSON, `;as=Table;v=v1;g=meta.k8s.io`, `;as=PartialObjectMetadata...`. */
  readonly accept: string;
  readonly userAgent: string;
  /** ULID of the request; becomes the trace header of its writes. */
  readonly trace: string;
  /** Actor and replica for the write headers: `user` and the user name for HTTPS. */
  readonly actor: string;
  readonly replica: string;
  readonly cause: Revision;
}

/** What the engine answers. Bodies are bytes, never objects (DESIGN D16). */
export type ResourceResponse = BodyResponse | WatchResponse;

export interface BodyResponse {
  readonly type: "body";
  readonly code: number;
  readonly contentType: string;
  /** Written one after the other, e.g. the parts of a list. */
  readonly body: readonly Uint8Array[];
  /** `Warning` header values (field validation, deprecations), without the 299 prefix. */
  readonly warnings?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export interface WatchResponse {
  readonly type: "watch";
  readonly contentType: string;
  /**
   * Starts the delivery. `write` takes whole frames (JSON objects followed by a newline), shared
   * by all watchers of the same change; it returns false when the transport's buffer is over its
   * limit. `end` closes the response. The transport calls `stop` when the client is gone.
   */
  start(sink: WatchSink): WatchStop;
  readonly warnings?: readonly string[];
}

export interface WatchSink {
  write(frame: Uint8Array): boolean;
  end(): void;
}

export interface WatchStop {
  stop(): void;
}

/** The engine behind both transports (services/apiserver/engine.ts). */
export interface Engine {
  /** Never throws: every failure is a BodyResponse with a Status. */
  handle(request: ResourceRequest): Promise<ResourceResponse>;
  /** Commits a plan whole on behalf of an actor; see shared/actor/api.ts. */
  plan(request: EnginePlan): Promise<EnginePlanResult>;
}

export interface EnginePlan {
  readonly user: UserInfo;
  readonly actor: string;
  readonly replica: string;
  readonly trace: string;
  readonly cause: Revision;
  readonly actions: readonly import("../../shared/actor/plan.ts").Action[];
}

export type EnginePlanResult =
  | { readonly outcome: "committed"; revision: Revision; results: readonly ActionResult[] }
  | { readonly outcome: "refused"; status: StatusBody; revision: Revision };

/** Decides who may do what; RBAC is the implementation (services/apiserver/auth/authorize.ts). */
export interface Authorizer {
  authorize(attributes: AuthorizationAttributes): { allowed: boolean; reason: string };
  /** The rules that count for a user in a namespace: the status of a SelfSubjectRulesReview. */
  rulesFor?(user: UserInfo, namespace: string): object;
  /** Why the user may not write a role with these rules; undefined: he may. */
  roleEscalation?(
    user: UserInfo,
    role: KubernetesObject,
    old: KubernetesObject | undefined,
  ): Escalation | undefined;
  /** Why the user may not bind the role; undefined: he may. */
  bindingEscalation?(user: UserInfo, roleRef: RoleRef, namespace: string): Escalation | undefined;
}

/** Nobody gives away permissions that he does not hold. */
export type Escalation =
  | { readonly reason: "Forbidden"; message: string }
  | { readonly reason: "NotFound"; resource: "roles" | "clusterroles"; name: string };

export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  /** For list and watch: the name that the field selector `metadata.name` asks for, else "". */
  readonly name: string;
  /** As given with list, watch and deletecollection. */
  readonly fieldSelector?: string;
  /** For requests that are not for resources: the path, e.g. `/metrics`. */
  readonly path?: string;
}

/** Changes or refuses an object before it is written. Pure but for the view that it reads. */
export interface AdmissionObject {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly user: UserInfo;
  readonly table: KindTable;
  readonly subresource: string;
  readonly object: KubernetesObject;
  readonly old: KubernetesObject | undefined;
}
