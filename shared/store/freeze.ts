/**
 * Freezes a JSON value whole; parts that are frozen already are taken to be so whole. False when
 * the value is not just what its own JSON says (undefined members, NaN, -0, instances of classes):
 * then only some of it may have been frozen.
 */
export function freezeJson(value: unknown): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      return value === null || Object.isFrozen(value) || freezeMembers(value);
    default:
      return false;
  }
}

function freezeMembers(value: object): boolean {
  if (Array.isArray(value)) {
    for (const item of value) if (!freezeJson(item)) return false;
  } else {
    if (Object.getPrototypeOf(value) !== Object.prototype) return false;
    const fields = value as Readonly<Record<string, unknown>>;
    for (const name in fields) if (!freezeJson(fields[name])) return false;
  }
  Object.freeze(value);
  return true;
}
