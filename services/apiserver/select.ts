import type { Parts } from "../../shared/api/parts.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import {
  type FieldMatcher,
  type LabelMatcher,
  parseFieldSelector,
  parseLabelSelector,
} from "../../shared/api/selectors.ts";
import { partsOfEntry } from "../../shared/store/entry.ts";
import type { Entry, ProjectionReader, View } from "../../shared/store/view.ts";
import { storedResource } from "./context.ts";
import type { Slices } from "./slices.ts";

/** What a list or a watch selects: a kind, a namespace ("" for all), labels and fields. */
export interface Selection {
  readonly table: KindTable;
  readonly namespace: string;
  readonly labels: LabelMatcher;
  readonly fields: FieldMatcher;
  /** Selects everything of the kind in the namespace. */
  readonly plain: boolean;
}

/** @throws StatusError BadRequest */
export function selectionOf(
  table: KindTable,
  namespace: string,
  labelSelector: string,
  fieldSelector: string,
): Selection {
  const labels = parseLabelSelector(labelSelector);
  const fields = parseFieldSelector(fieldSelector, table);
  const plain = labels.empty && fields.empty;
  return { table, namespace, labels, fields, plain };
}

/** Whether the object is selected; its kind and namespace are already known to be right. */
export function selects({ plain, labels, fields }: Selection, stored: Parts): boolean {
  if (plain) return true;
  if (!labels.empty && !labels.matchesLabels(labelsOf(stored))) return false;
  return fields.empty || fields.matches(stored);
}

function labelsOf(stored: Parts): Readonly<Record<string, string>> | undefined {
  return stored.part("metadata", "labels") as Record<string, string> | undefined;
}

/** Entries of a view in key order, all selected ones among them; the present has indexes. */
export function candidates(view: View, selection: Selection): readonly Entry[] {
  const { table, namespace, labels, fields, plain } = selection;
  const resource = storedResource(table);
  const within = namespace === "" ? undefined : namespace;
  const indexed =
    !plain && isPresent(view) ? fromIndex(view, resource, within, labels, fields) : undefined;
  return indexed ?? view.list(resource, within);
}

/** Looking at so many takes well under a millisecond. */
const STEP = 64;

/**
 * Those of the entries that are selected, in their order; `enough` of them end the search. Many
 * are looked at in several turns of the event loop.
 */
export async function selected(
  entries: readonly Entry[],
  selection: Selection,
  slices: Slices,
  enough = Number.POSITIVE_INFINITY,
): Promise<readonly Entry[]> {
  if (selection.plain) return entries;
  const found: Entry[] = [];
  let next = 0;
  const step = (): boolean => {
    const stop = Math.min(next + STEP, entries.length);
    for (; next < stop && found.length < enough; next++) {
      const entry = entries[next] as Entry;
      if (selects(selection, partsOfEntry(entry))) found.push(entry);
    }
    return next < entries.length && found.length < enough;
  };
  if (step()) await slices.finish(step);
  return found;
}

function isPresent(view: View): view is ProjectionReader {
  return "onNode" in view;
}

function fromIndex(
  view: ProjectionReader,
  resource: string,
  namespace: string | undefined,
  labels: LabelMatcher,
  fields: FieldMatcher,
): readonly Entry[] | undefined {
  const node = fields.exact("spec.nodeName");
  if (node && resource === "pods") {
    const pods = view.onNode(node);
    return namespace === undefined ? pods : pods.filter((pod) => pod.namespace === namespace);
  }
  const exact = labels.exactLabels;
  if (Object.keys(exact).length === 0) return undefined;
  return view.labelled(resource, namespace, exact);
}
