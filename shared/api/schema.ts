/**
 * Schema tables: the one source of types, validation, defaulting, pruning, strategic merge,
 * server-side apply, OpenAPI and storage (DESIGN D15). The tables of built-in kinds are generated
 * (generated/schemas.ts) from the published API; those of custom resources come from their
 * definitions at run time: one code path.
 */
export type Schema =
  | ObjectSchema
  | MapSchema
  | ArraySchema
  | ScalarSchema
  | { readonly type: "any"; readonly name?: string };

export interface ObjectSchema {
  readonly type: "object";
  /** Definition name as published, e.g. `io.k8s.api.core.v1.PodSpec`. */
  readonly name?: string;
  readonly properties: Readonly<Record<string, Field>>;
  readonly required: readonly string[];
  /** `atomic`: replaced as one under apply. Default granular. */
  readonly mapType?: "atomic" | "granular";
  /** Of a union or of the whole object. */
  readonly patchStrategy?: readonly PatchStrategy[];
}

/** A property: its schema, and how it is merged. The same Schema object may serve many fields. */
export interface Field {
  readonly schema: Schema;
  readonly default?: unknown;
  readonly patchStrategy?: readonly PatchStrategy[];
  readonly patchMergeKey?: string;
  readonly listType?: "atomic" | "set" | "map";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
}

export type PatchStrategy = "merge" | "replace" | "retainKeys";

/** `additionalProperties`. */
export interface MapSchema {
  readonly type: "map";
  readonly name?: string;
  readonly values: Schema;
  readonly mapType?: "atomic" | "granular";
}

export interface ArraySchema {
  readonly type: "array";
  readonly name?: string;
  readonly items: Schema;
  readonly listType?: "atomic" | "set" | "map";
  readonly listMapKeys?: readonly string[];
}

export interface ScalarSchema {
  readonly type: "string" | "integer" | "number" | "boolean" | "intOrString" | "quantity";
  readonly name?: string;
  /** `int32`, `int64`, `double`, `byte` (base64), `date-time`, ... */
  readonly format?: string;
  readonly enum?: readonly string[];
}

/** Everything the apiserver knows of one kind. A new kind is one of these. */
export interface KindTable {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly listKind: string;
  /** `pods` */
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Discovery verbs, e.g. create delete deletecollection get list patch update watch. */
  readonly verbs: readonly string[];
  readonly subresources: readonly SubresourceTable[];
  readonly schema: ObjectSchema;
  /** Which log it lives in: `cluster`, or `events` and `leases` (DESIGN D7); `none`: reviews. */
  readonly log: "cluster" | "events" | "leases" | "none";
  /**
   * A second name for the same stored objects: events.k8s.io/v1 events are stored as core events.
   * Names the group resource that is stored.
   */
  readonly storedAs?: string;
  /** Field selectors beyond metadata.name and metadata.namespace, e.g. `spec.nodeName`. */
  readonly fieldSelectors: readonly string[];
}

export interface SubresourceTable {
  /** `status`, `scale`, `binding`, `eviction`, `log`, `exec`, `attach`, `token`, `finalize`, ... */
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}
