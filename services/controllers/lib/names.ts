/**
 * Names that follow from what they are for: the same decision asks for the same name, so that a
 * plan decided twice is refused the second time (DESIGN D13).
 */
import type { Json } from "../../../shared/api/object.ts";

/** Upstream's alphabet: no vowels and no digits that look like them, so that no words appear. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** 32-bit FNV-1a. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** Five characters that follow from the parts, as a name's suffix. */
export function suffixOf(...parts: readonly (string | number)[]): string {
  const text = parts.join("\u0000");
  // Two rounds: five characters carry 23.8 bits, and a single round of FNV mixes its low bits
  // badly.
  let number = fnv1a(`${fnv1a(text)}/${text}`);
  let suffix = "";
  for (let index = 0; index < 5; index++) {
    suffix += ALPHABET[number % ALPHABET.length];
    number = Math.floor(number / ALPHABET.length);
  }
  return suffix;
}

/** `base-suffix`, with the base cut so that the name stays within `max` characters. */
export function nameWithSuffix(base: string, suffix: string, max = 253): string {
  return `${base.slice(0, max - suffix.length - 1)}-${suffix}`;
}

/** A hash of a JSON value that does not depend on the order of its fields: `pod-template-hash`. */
export function hashOf(value: unknown, salt: number | undefined): string {
  const digits = String(fnv1a(`${canonical(value as Json)}${salt ?? ""}`));
  return [...digits].map((digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}

/** JSON with sorted fields and without undefined ones. */
export function canonical(value: Json | undefined): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const fields = Object.keys(value)
    .filter((field) => value[field] !== undefined)
    .sort()
    .map((field) => `${JSON.stringify(field)}:${canonical(value[field])}`);
  return `{${fields.join(",")}}`;
}
