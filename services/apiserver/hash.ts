import { hash } from "node:crypto";

/** Without vowels and look-alikes, so that names are no words; as upstream's suffixes. */
export const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A suffix for a name that follows from the text, so that whoever asks again gets it again. */
export function hashSuffix(text: string, length: number): string {
  const digest = hash("sha256", text, "buffer");
  let suffix = "";
  for (let index = 0; index < length; index++) {
    suffix += SUFFIX_ALPHABET[(digest[index] as number) % SUFFIX_ALPHABET.length];
  }
  return suffix;
}

/** 64 hexadecimal digits that follow from the text. */
export function hashText(text: string): string {
  return hash("sha256", text);
}
