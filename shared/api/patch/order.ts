import { getField, type JsonObject } from "./json-value.ts";

/** What identifies an item: its merge key, or for lists of scalars the item itself. */
export type ItemKey = (item: unknown) => unknown;

export function itemKeyOf(mergeKey: string | undefined): ItemKey {
  return mergeKey === undefined ? (item) => item : (item) => getField(item as JsonObject, mergeKey);
}

/**
 * The order of a merged list. Items that the patch (or its `$setElementOrder`) names stand in the
 * patch's order, the others in the live list's; an item of the live list comes before the patch's
 * item that it stood before.
 */
export function orderMerged(
  merged: readonly unknown[],
  patchOrder: readonly unknown[],
  liveOrder: readonly unknown[],
  keyOf: ItemKey,
): unknown[] {
  const inPatch = positions(patchOrder, keyOf);
  const inLive = positions(liveOrder, keyOf);
  const position = (order: Map<unknown, number>) => (left: unknown, right: unknown) =>
    (order.get(keyOf(left)) ?? -1) - (order.get(keyOf(right)) ?? -1);
  const named = merged.filter((item) => inPatch.has(keyOf(item))).sort(position(inPatch));
  const others = merged.filter((item) => !inPatch.has(keyOf(item))).sort(position(inLive));
  return weave(others, named, (item) => inLive.get(keyOf(item)));
}

function positions(items: readonly unknown[], keyOf: ItemKey): Map<unknown, number> {
  const result = new Map<unknown, number>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (!result.has(key)) result.set(key, index);
  }
  return result;
}

function weave(
  others: readonly unknown[],
  named: readonly unknown[],
  livePosition: (item: unknown) => number | undefined,
): unknown[] {
  const result: unknown[] = [];
  let next = 0;
  for (const item of named) {
    const place = livePosition(item);
    while (place !== undefined && next < others.length) {
      const other = livePosition(others[next]);
      if (other === undefined || other >= place) break;
      result.push(others[next++]);
    }
    result.push(item);
  }
  return result.concat(others.slice(next));
}
