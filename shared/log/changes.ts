import type { KubernetesObject } from "../api/object.ts";
import type { Key, Version } from "../store/store.ts";
import { differences, type FieldChange } from "./difference.ts";

/** A version of an object beside the one that it replaced. */
export interface RecordedChange {
  readonly version: Version;
  readonly verb: "created" | "changed" | "deleted";
  readonly object: KubernetesObject | undefined;
  readonly old: KubernetesObject | undefined;
}

/** The object that a version holds; undefined for a deletion. */
export function objectOf(version: Version | undefined): KubernetesObject | undefined {
  if (version === undefined || version.value === null) return undefined;
  return JSON.parse(version.value.toString()) as KubernetesObject;
}

/** Puts each version beside the one before it; versions are told in log order. */
export class ChangeReader {
  /** Encoded, because most objects change rarely. */
  readonly #before = new Map<Key, Version>();

  /** `before`: the versions that were live when the telling begins. */
  constructor(before: readonly Version[] = []) {
    for (const version of before) this.#before.set(version.key, version);
  }

  /** What the version changed; undefined when it deletes what was not there. */
  next(version: Version): RecordedChange | undefined {
    const { key, value } = version;
    const before = this.#before.get(key);
    if (value === null) this.#before.delete(key);
    else this.#before.set(key, version);
    const old = objectOf(before);
    if (value === null) return old && { version, verb: "deleted", object: undefined, old };
    return { version, verb: old ? "changed" : "created", object: objectOf(version), old };
  }
}

/** The fields that a change changed; none for a creation or a deletion, which are whole. */
export function fieldsOf({ verb, old, object }: RecordedChange): FieldChange[] {
  return verb === "changed" ? differences(old, object) : [];
}
