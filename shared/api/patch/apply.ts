import { applyConflict, badRequest } from "../errors.ts";
import { apiVersionOf } from "../kinds.ts";
import type { KubernetesObject } from "../object.ts";
import { quote } from "../quote.ts";
import type { KindTable } from "../schema.ts";
import { formatTime } from "../time.ts";
import { type Comparison, compareObjects } from "./compare.ts";
import { unexplained } from "./errors.ts";
import {
  difference,
  EMPTY_SET,
  type FieldSet,
  intersection,
  isEmptySet,
  lookUp,
  pathsOf,
  union,
  withoutSubtrees,
} from "./field-set.ts";
import type { JsonObject } from "./json-value.ts";
import { lastAppliedFields, withLastApplied } from "./last-applied.ts";
import { decodeManagers, encodeManagers, identityOf, type Manager } from "./managers.ts";
import { mergeFields, removeFields } from "./merge-typed.ts";
import { printPath } from "./path-element.ts";
import { ignoredFields } from "./track.ts";
import { fieldSetOf, typeErrors, withNamedParents } from "./typed.ts";

export { managerName } from "./managers.ts";
export { type TrackOptions, trackUpdate } from "./track.ts";

export interface ApplyOptions {
  readonly manager: string;
  /** Take fields over from other managers instead of failing. */
  readonly force: boolean;
  readonly subresource?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The manager of objects that were written before they were first applied. */
const BEFORE_FIRST_APPLY = "before-first-apply";
/** kubectl's name, for which client-side apply is taken over. */
const KUBECTL = "kubectl";

/**
 * Server-side apply: merges a configuration into the live object (undefined: it does not exist yet)
 * by schema, removes what this manager applied before and no longer does, and keeps the books of
 * who owns what. `applied` is what the client sent, without defaults; the result has none either
 * for what is new. A configuration that changes nothing answers an object that differs from the
 * live one at most in its managedFields.
 * @throws StatusError Conflict with a cause for each field that another manager owns with another
 *   value; BadRequest for another version or with managedFields; 500 as Kubernetes for fields that
 *   the schema does not know.
 */
export function applyConfiguration(
  live: KubernetesObject | undefined,
  applied: KubernetesObject,
  table: KindTable,
  options: ApplyOptions,
): { object: KubernetesObject } {
  checkConfiguration(applied, table);
  const context: Context = { table, options, ignored: ignoredOf(table, options) };
  const managers = managersOf(live, table, options);
  let result = attempt(live, applied, managers, context, options.force);
  if (result.conflicts.length > 0) {
    const allowed = options.manager === KUBECTL ? lastAppliedFields(live, table) : EMPTY_SET;
    const conflicts = result.conflicts.filter(({ path }) => !holds(allowed, path));
    if (conflicts.length > 0) throw conflictError(conflicts);
    result = attempt(live, applied, managers, context, true);
  }
  const entries = encodeManagers(result.managers);
  const base = (result.same ? live : result.object) as KubernetesObject;
  const { managedFields: _, ...metadata } = base.metadata ?? {};
  const object = {
    ...base,
    metadata: entries.length ? { ...metadata, managedFields: entries } : metadata,
  };
  return {
    object:
      options.manager === KUBECTL
        ? withLastApplied(object as KubernetesObject, applied)
        : (object as KubernetesObject),
  };
}

interface Context {
  readonly table: KindTable;
  readonly options: ApplyOptions;
  readonly ignored: FieldSet;
}

interface Conflict {
  readonly manager: Manager;
  readonly path: readonly string[];
}

interface Attempt {
  readonly object: JsonObject;
  readonly managers: readonly Manager[];
  readonly conflicts: readonly Conflict[];
  /** The object is the live one. */
  readonly same: boolean;
}

function ignoredOf(table: KindTable, options: ApplyOptions): FieldSet {
  return ignoredFields(table, options.subresource ?? "");
}

function checkConfiguration(applied: KubernetesObject, table: KindTable): void {
  const expected = apiVersionOf(table);
  if (applied.apiVersion !== expected) {
    throw badRequest(
      "Incorrect version specified in apply patch. " +
        `Specified patch version: ${applied.apiVersion}, expected: ${expected}`,
    );
  }
  if (applied.metadata?.managedFields !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const errors = typeErrors(applied, table.schema);
  if (errors.length === 0) return;
  const { namespace = "", name = "" } = applied.metadata ?? {};
  const kind = `${expected}, Kind=${applied.kind}`;
  const list = errors.length === 1 ? errors[0] : ["errors:", ...errors].join("\n  ");
  throw unexplained(`failed to create typed patch object (${namespace}/${name}; ${kind}): ${list}`);
}

/** Who owns what now; fields of an object that nobody owns belong to a manager of their own. */
function managersOf(
  live: KubernetesObject | undefined,
  table: KindTable,
  options: ApplyOptions,
): readonly Manager[] {
  if (!live) return [];
  const managers = decodeManagers(live.metadata.managedFields);
  if (!managers)
    throw unexplained("failed to decode managed fields: operation must be `Apply` or `Update`");
  if (managers.length > 0) return managers;
  const { changed } = compareObjects(undefined, live, table.schema);
  const set = withoutSubtrees(changed, ignoredOf(table, options));
  return [
    {
      name: BEFORE_FIRST_APPLY,
      operation: "Update",
      apiVersion: apiVersionOf(table),
      subresource: options.subresource ?? "",
      time: formatTime(options.now),
      set,
    },
  ];
}

function attempt(
  live: KubernetesObject | undefined,
  applied: KubernetesObject,
  managers: readonly Manager[],
  context: Context,
  force: boolean,
): Attempt {
  const { table, options, ignored } = context;
  const { schema } = table;
  const apiVersion = apiVersionOf(table);
  const configuration = removeFields(applied as JsonObject, ignored, schema);
  const set = unowned(withoutSubtrees(fieldSetOf(applied, schema), ignored));
  const own: Manager = {
    name: options.manager,
    operation: "Apply",
    apiVersion,
    subresource: options.subresource ?? "",
    time: formatTime(options.now),
    set,
  };
  const identity = identityOf(own);
  const last = managers.find((manager) => identityOf(manager) === identity);
  const others = managers.filter((manager) => manager !== last);
  const merged = mergeFields(live as JsonObject | undefined, configuration, schema);
  const claimed = [...others, own]
    .filter((manager) => manager.apiVersion === apiVersion)
    .reduce((all, manager) => union(all, manager.set), EMPTY_SET);
  const object = last?.apiVersion === apiVersion ? prune(merged, last.set, claimed, table) : merged;
  const comparison = withoutIgnored(
    compareObjects(live as JsonObject | undefined, object, schema),
    ignored,
  );
  const conflicts = force ? [] : conflictsWith(others, comparison.changed, apiVersion);
  const same =
    live !== undefined && isEmptySet(comparison.changed) && isEmptySet(comparison.removed);
  const lost = union(comparison.changed, comparison.removed);
  return {
    object,
    conflicts,
    same,
    managers: [
      ...others.map((manager) =>
        manager.apiVersion === apiVersion
          ? { ...manager, set: difference(manager.set, lost) }
          : manager,
      ),
      same ? { ...own, time: last?.time } : own,
    ],
  };
}

/** Identity and what the server alone writes are never owned. */
function unowned(set: FieldSet): FieldSet {
  return difference(set, UNOWNED);
}

const UNOWNED: FieldSet = {
  "f:apiVersion": {},
  "f:kind": {},
  "f:metadata": {
    ".": {},
    "f:name": {},
    "f:namespace": {},
    "f:creationTimestamp": {},
    "f:selfLink": {},
    "f:uid": {},
    "f:clusterName": {},
    "f:generation": {},
    "f:managedFields": {},
    "f:resourceVersion": {},
  },
};

function withoutIgnored(comparison: Comparison, ignored: FieldSet): Comparison {
  return {
    changed: withoutSubtrees(comparison.changed, ignored),
    removed: withoutSubtrees(comparison.removed, ignored),
  };
}

/**
 * Removes what this manager applied last and nobody claims now, itself included. A struct goes with
 * the last of its fields.
 */
function prune(
  merged: JsonObject,
  last: FieldSet,
  claimed: FieldSet,
  table: KindTable,
): JsonObject {
  const field = { schema: table.schema };
  const named = (set: FieldSet) => withNamedParents(set, field);
  const fields = (object: JsonObject) => named(fieldSetOf(object, table.schema));
  const all = fields(merged);
  const withoutLast = fields(removeFields(merged, last, table.schema));
  const unclaimed = difference(difference(all, withoutLast), named(claimed));
  const kept = fields(removeFields(merged, unclaimed, table.schema));
  const gone = intersection(difference(all, kept), named(last));
  return removeFields(merged, gone, table.schema);
}

function conflictsWith(
  others: readonly Manager[],
  changed: FieldSet,
  apiVersion: string,
): Conflict[] {
  return others
    .filter((manager) => manager.apiVersion === apiVersion)
    .sort((left, right) => (identityOf(left) < identityOf(right) ? -1 : 1))
    .flatMap((manager) =>
      pathsOf(intersection(manager.set, changed)).map((path) => ({ manager, path })),
    );
}

function holds(set: FieldSet, path: readonly string[]): boolean {
  let node: FieldSet | undefined = set;
  for (const [index, element] of path.entries()) {
    if (!node) return false;
    const found = lookUp(node, element);
    if (index === path.length - 1) return found.member;
    node = found.below;
  }
  return false;
}

function conflictError(conflicts: readonly Conflict[]): Error {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${printManager(manager)}`,
    field: printPath(path),
  }));
  return applyConflict(causes, conflictMessage(conflicts));
}

function conflictMessage(conflicts: readonly Conflict[]): string {
  const [only] = conflicts;
  if (only && conflicts.length === 1) {
    const who = printManager(only.manager);
    return `Apply failed with 1 conflict: conflict with ${who}: ${printPath(only.path)}`;
  }
  const lines: string[] = [];
  let manager: Manager | undefined;
  for (const conflict of conflicts) {
    if (conflict.manager !== manager) {
      manager = conflict.manager;
      lines.push(`conflicts with ${printManager(manager)}:`);
    }
    lines.push(`- ${printPath(conflict.path)}`);
  }
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join("\n")}`;
}

function printManager(manager: Manager): string {
  let text = quote(manager.name);
  if (manager.subresource) text += ` with subresource ${quote(manager.subresource)}`;
  return manager.operation === "Update" ? `${text} using ${manager.apiVersion}` : text;
}
