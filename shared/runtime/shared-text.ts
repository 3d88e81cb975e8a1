const TEXTS_MAX = 10_000;
const texts = new Map<string, string>();

/** One copy of a text that much of what is kept carries: names of actors, resources, namespaces. */
export function sharedText(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS_MAX) texts.clear();
  const copy = flatText(text);
  texts.set(copy, copy);
  return copy;
}

/**
 * The same text in one piece, for what is kept for long: V8 holds a part of a text by the whole,
 * and a joined text by its parts.
 */
export function flatText(text: string): string {
  return Buffer.from(text).toString();
}
