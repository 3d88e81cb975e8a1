/** Structural equality of JSON values: the order of fields does not matter, undefined is absent. */
export function sameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return false;
  }
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    for (let index = 0; index < one.length; index++) {
      if (!sameJson(one[index], other[index])) return false;
    }
    return true;
  }
  const left = one as Readonly<Record<string, unknown>>;
  const right = other as Readonly<Record<string, unknown>>;
  for (const field in left) if (!sameJson(left[field], right[field])) return false;
  for (const field in right) {
    if (right[field] !== undefined && left[field] === undefined) return false;
  }
  return true;
}
