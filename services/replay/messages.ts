import type { Version } from "../../shared/store/store.ts";
import type { Due } from "./spool.ts";
import type { Beginning, Walked } from "./walk.ts";

/** A walk told to another process, as lines of JSON in its order. */
export type Message =
  /** Of the state at the beginning; all come before `begin`. */
  | { readonly state: VersionText }
  | { readonly begin: Omit<Beginning, "versions"> }
  | { readonly version: VersionText }
  | { readonly due: Due }
  | { readonly end: { readonly revisions: number; readonly unrecorded: [string, number][] } };

/** The value as text, so that it need not be parsed on the way. */
export type VersionText = Omit<Version, "value"> & { readonly value: string | null };

export function textOf({ value, ...rest }: Version): VersionText {
  return { ...rest, value: value === null ? null : value.toString() };
}

export function versionOf({ value, ...rest }: VersionText): Version {
  return { ...rest, value: value === null ? null : Buffer.from(value) };
}

export function endOf({ revisions, unrecorded }: Walked): Message {
  return { end: { revisions, unrecorded: [...unrecorded] } };
}
