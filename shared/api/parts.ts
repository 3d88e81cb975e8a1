/** An object of which parts can be had without decoding all of it. */
export interface Parts {
  /** The object's member of that name, or that member's member; undefined when there is none. */
  part(name: string, member?: string): unknown;
}

/** Of an object that is decoded anyway. */
export function partsOf(object: unknown): Parts {
  return { part: (name, member) => partOf(object, name, member) };
}

/** `object[name]`, or `object[name][member]`, whatever they are. */
export function partOf(object: unknown, name: string, member: string | undefined): unknown {
  const value = memberOf(object, name);
  return member === undefined ? value : memberOf(value, member);
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}
