import type { KubernetesObject } from "../../../shared/api/object.ts";
import { humanDuration } from "./human-duration.ts";

/** A column of a Table (meta.k8s.io/v1). */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date" | "boolean";
  /** `name` for the column that identifies the row, otherwise "". */
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

/** What a kind looks like as a Table: its columns, and the cells of one object. */
export interface Printer<T = KubernetesObject> {
  readonly columns: readonly Column[];
  /** `now` in milliseconds since the epoch. One cell for each column. */
  cells(object: T, now: number): Cell[];
  /** Conditions of the row, e.g. that a pod has completed. */
  conditions?(object: T): readonly RowCondition[] | undefined;
}

export interface RowCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export function column(
  name: string,
  type: Column["type"],
  description: string,
  priority = 0,
): Column {
  return { name, type, format: "", description, priority };
}

/** A column that is shown with `-o wide` only. */
export function wide(name: string, type: Column["type"], description: string): Column {
  return column(name, type, description, 1);
}

export const NAME: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "The object's name, unique in its namespace.",
  priority: 0,
};

export const AGE: Column = column("Age", "string", "Time since the object was created.");

/** How long ago a time was, `<unknown>` where there is none. */
export function since(time: string | null | undefined, now: number): string {
  const at = time ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? "<unknown>" : humanDuration(now - at);
}

/** The age of an object. */
export function age(object: KubernetesObject, now: number): string {
  return since(object.metadata.creationTimestamp, now);
}

export const NONE = "<none>";

/** Labels or a plain selector: `app=web,tier=front`, sorted. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const names = Object.keys(labels ?? {}).sort();
  return names.map((name) => `${name}=${labels?.[name]}`).join(",") || NONE;
}

/** The first `max` entries, and how many more there are. */
export function firstOf(entries: readonly string[], max: number, none: string): string {
  if (entries.length === 0) return none;
  const shown = entries.slice(0, max).join(",");
  return entries.length > max ? `${shown} + ${entries.length - max} more...` : shown;
}
