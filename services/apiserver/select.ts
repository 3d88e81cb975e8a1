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

/** The selected entries of a view, in key order. */
export function selected(view: View, selection: Selection): readonly Entry[] {
  const entries = candidates(view, selection);
  if (selection.plain) return entries;
  return entries.filter((entry) => selects(selection, partsOfEntry(entry)));
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
