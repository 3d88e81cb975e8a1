import { createHmac } from "node:crypto";
import { parseKey } from "../api/key.ts";
import type { Json } from "../api/object.ts";
import type { Key } from "../store/store.ts";
import type { DecisionRecord } from "./decision.ts";

/**
 * Replaces what must not leave the house: the data of Secrets, and the values at chosen paths. The
 * same value becomes the same replacement everywhere, and nobody without the key can find out
 * which value it was.
 */
export class Scrubber {
  readonly #key: Uint8Array;
  readonly #paths: readonly (readonly string[])[];

  /**
   * `paths`: field names with dots between them; `*` stands for any one name or place in a list,
   * `**` for any number of them: `spec.containers.*.env.*.value`, `**.env.*.value`.
   */
  constructor(key: Uint8Array, paths: readonly string[]) {
    this.#key = key;
    this.#paths = paths.map((path) => path.replaceAll(/\[([^\]]*)\]/g, ".$1").split("."));
  }

  /** The object of a key, scrubbed. */
  object(key: Key, object: Json): Json {
    const secret = parseKey(key).resource === "secrets";
    return this.#scrub(object, secret ? [...this.#paths, ...SECRET_PATHS] : this.#paths);
  }

  /** A record, in whose plan objects and patches may stand. */
  decision(record: DecisionRecord): DecisionRecord {
    const actions = record.plan.actions.map((action) => {
      const scrubbed = { ...action } as Record<string, unknown>;
      for (const field of ["object", "patch"] as const) {
        const value = scrubbed[field];
        if (value !== undefined) scrubbed[field] = this.object(action.key, value as Json);
      }
      return scrubbed as unknown as typeof action;
    });
    const scrubbed = { ...record, plan: { ...record.plan, actions } };
    const { seen } = record;
    if (seen?.objects === undefined) return scrubbed;
    const objects = Object.entries(seen.objects).map(([key, object]) => [
      key,
      this.object(key, object as Json),
    ]);
    return { ...scrubbed, seen: { ...seen, objects: Object.fromEntries(objects) } };
  }

  #scrub(value: Json, paths: readonly (readonly string[])[]): Json {
    const scrubbed = paths.reduce((whole, path) => this.#at(whole, path), value);
    return this.#applied(scrubbed, paths);
  }

  /** What kubectl applied last is a copy of the object, as text. */
  #applied(value: Json, paths: readonly (readonly string[])[]): Json {
    const metadata = isMap(value) ? value["metadata"] : undefined;
    const annotations = isMap(metadata) ? metadata["annotations"] : undefined;
    const applied = isMap(annotations) ? annotations[LAST_APPLIED] : undefined;
    if (!isMap(value) || !isMap(metadata) || typeof applied !== "string") return value;
    let text: string;
    try {
      text = JSON.stringify(this.#scrub(JSON.parse(applied) as Json, paths));
    } catch {
      text = this.#text(applied);
    }
    const scrubbed = { ...(annotations as Record<string, Json>), [LAST_APPLIED]: text };
    return { ...value, metadata: { ...metadata, annotations: scrubbed } };
  }

  #at(value: Json, path: readonly string[]): Json {
    const [name, ...rest] = path;
    if (name === undefined) return this.#replaced(value);
    if (name === "**") {
      // As if it were not there, and one level further down.
      return this.#inside(this.#at(value, rest), "*", path);
    }
    return this.#inside(value, name, rest);
  }

  #inside(value: Json, name: string, rest: readonly string[]): Json {
    if (Array.isArray(value)) {
      return value.map((item, index) =>
        name === "*" || name === String(index) ? this.#at(item, rest) : item,
      );
    }
    if (!isMap(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([field, inner]) => [
        field,
        name === "*" || name === field ? this.#at(inner, rest) : inner,
      ]),
    );
  }

  /** Something of the same type, and of the same length. */
  #replaced(value: Json): Json {
    if (typeof value === "string") return isBase64(value) ? this.#base64(value) : this.#text(value);
    if (typeof value === "number") {
      const digits = this.#text(String(Math.abs(Math.trunc(value))));
      return Math.sign(value || 1) * Number(digits);
    }
    if (Array.isArray(value)) return value.map((item) => this.#replaced(item));
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, this.#replaced(v)]));
  }

  /** Letters become letters, digits digits; what is between them stays. */
  #text(text: string): string {
    const bytes = this.#bytes(text, text.length);
    let index = 0;
    return text.replaceAll(/[\p{L}\p{N}]/gu, (character) => {
      const byte = bytes[index++] as number;
      if (/\p{N}/u.test(character)) return String(byte % 10);
      const letter = String.fromCharCode(97 + (byte % 26));
      return /\p{Lu}/u.test(character) ? letter.toUpperCase() : letter;
    });
  }

  #base64(text: string): string {
    return this.#bytes(text, Buffer.from(text, "base64").length).toString("base64");
  }

  #bytes(value: string, length: number): Buffer {
    const parts: Buffer[] = [];
    for (let block = 0; block * 32 < length; block++) {
      parts.push(createHmac("sha256", this.#key).update(`${block} ${value}`).digest());
    }
    return Buffer.concat(parts).subarray(0, length);
  }
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const SECRET_PATHS = [
  ["data", "*"],
  ["stringData", "*"],
];

function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}

function isMap(value: Json | undefined): value is { [field: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
