import { failure } from "../errors.ts";
import { unexplained } from "./errors.ts";
import { getField, goFormat, isArray, isObject, type JsonObject } from "./json-value.ts";
import { type ItemKey, itemKeyOf, orderMerged } from "./order.ts";

const DIRECTIVE = "$patch";

/** How a list is merged. */
export interface ListRule {
  /** Merge the items; otherwise the patch's list replaces the list. */
  readonly merge: boolean;
  /** Field that identifies an item; absent for lists of scalars. */
  readonly mergeKey?: string;
  /** `$setElementOrder`: the order of the items, by key or as scalars. */
  readonly order?: readonly unknown[];
  readonly mergeItem: (original: JsonObject | undefined, patch: JsonObject) => JsonObject;
}

/** Merges a patch's list into the live one. Either may be absent, not both. */
export function mergeList(
  live: readonly unknown[] | undefined,
  patch: readonly unknown[] | undefined,
  rule: ListRule,
): readonly unknown[] {
  if (rule.order) checkOrder(patch ?? [], rule.order, rule.mergeKey);
  if (patch && !rule.merge) return patch;
  if (patch) checkKinds(live ?? [], patch);
  if (!patch?.length && !rule.order) return live ?? [];
  const keyed = isObject((patch ?? [])[0] ?? (live ?? [])[0]);
  if (!keyed) return mergeScalars(live ?? [], patch, rule.order);
  if (rule.mergeKey === undefined) {
    throw unexplained("cannot merge lists without merge key for type struct");
  }
  return mergeKeyed(live ?? [], patch, rule, rule.mergeKey);
}

function mergeScalars(
  live: readonly unknown[],
  patch: readonly unknown[] | undefined,
  order: readonly unknown[] | undefined,
): readonly unknown[] {
  const merged = patch ? [...new Set([...live, ...patch])] : live;
  return orderMerged(merged, order ?? patch ?? [], live, itemKeyOf(undefined));
}

function mergeKeyed(
  live: readonly unknown[],
  patch: readonly unknown[] | undefined,
  rule: ListRule,
  mergeKey: string,
): readonly unknown[] {
  const keyOf = requiredKey(mergeKey);
  const { base, changes } = obeyDirectives(live, patch ?? [], mergeKey, keyOf);
  const merged = [...base];
  const places = new Map<unknown, number>();
  for (const [index, item] of base.entries()) {
    const key = keyOf(item);
    if (!places.has(key)) places.set(key, index);
  }
  for (const item of changes) {
    const key = keyOf(item);
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, merged.length);
      merged.push(rule.mergeItem(undefined, item));
    } else {
      merged[place] = rule.mergeItem(merged[place] as JsonObject, item);
    }
  }
  // An item may have been emptied by `$patch: delete` inside of it; such items have no key.
  for (const item of merged) keyOf(item);
  return orderMerged(merged, rule.order ?? changes, base, keyOf);
}

/** Deletes what `$patch: delete` items name, and everything when there is a `$patch: replace`. */
function obeyDirectives(
  live: readonly unknown[],
  patch: readonly unknown[],
  mergeKey: string,
  keyOf: ItemKey,
): { base: readonly unknown[]; changes: readonly JsonObject[] } {
  const changes: JsonObject[] = [];
  const deleted = new Set<unknown>();
  let replace = false;
  for (const item of patch as readonly JsonObject[]) {
    const directive = getField(item, DIRECTIVE);
    if (directive === undefined) changes.push(item);
    else if (directive === "delete") deleted.add(keyOf(item));
    else if (directive === "replace") replace = true;
    else if (directive === "merge") {
      throw unexplained("merging lists cannot yet be specified in the patch");
    } else {
      throw unexplained(`unknown patch type: ${goFormat(directive)} in map: ${goFormat(item)}`);
    }
  }
  if (replace) return { base: changes, changes: [] };
  const matches = itemKeyOf(mergeKey);
  const base = deleted.size === 0 ? live : live.filter((item) => !deleted.has(matches(item)));
  return { base, changes };
}

function requiredKey(mergeKey: string): ItemKey {
  return (item) => {
    const key = isObject(item) ? getField(item, mergeKey) : undefined;
    if (key === undefined) {
      throw unexplained(`map: ${goFormat(item)} does not contain declared merge key: ${mergeKey}`);
    }
    return key;
  };
}

function checkKinds(live: readonly unknown[], patch: readonly unknown[]): void {
  let first: string | undefined;
  for (const item of [...live, ...patch]) {
    if (isArray(item)) throw failure(422, "Invalid", LISTS_OF_LISTS, {});
    const kind = isObject(item) ? "map" : typeof item;
    first ??= kind;
    if (first === kind) continue;
    const lists = `[${goFormat(live)} ${goFormat(patch)}]`;
    throw unexplained(`list element types are not identical: ${lists}`);
  }
}

const LISTS_OF_LISTS = "the server rejected our request due to an error in our request";

/** The patch's items must stand in `$setElementOrder`, in the same order. */
function checkOrder(
  patch: readonly unknown[],
  order: readonly unknown[],
  mergeKey: string | undefined,
): void {
  if (order.length === 0 || patch.length === 0) return;
  const keyOf = mergeKey === undefined ? itemKeyOf(undefined) : requiredKey(mergeKey);
  const kept = patch.filter((item) => !isObject(item) || !Object.hasOwn(item, DIRECTIVE));
  let next = 0;
  for (const item of kept) {
    const key = keyOf(item);
    while (next < order.length && keyOf(order[next]) !== key) next++;
    if (next++ < order.length) continue;
    throw unexplained(
      `The order in patch list:\n${goFormat(patch)}\n doesn't match $setElementOrder list:\n` +
        `${goFormat(order)}\n`,
    );
  }
}
