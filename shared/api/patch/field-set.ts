/**
 * Sets of fields in the form that Kubernetes stores them (`FieldsV1`): a tree of path elements.
 * `f:<name>` a field, `k:{...}` the item of a list with these keys, `v:<value>` an item of a set.
 * An element whose node is empty is in the set; one with children is in it when it also has `.`.
 * Nodes are never changed once built, so that sets share parts.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet;
}

const SELF = ".";
/** The node of a member with nothing below it. */
export const LEAF: FieldSet = Object.freeze({});
export const EMPTY_SET: FieldSet = LEAF;

/** A node while it is built. */
export type FieldSetBuilder = Record<string, FieldSet>;

/** A node to add children to, of an element that is itself in the set or not. */
export function newNode(member: boolean): FieldSetBuilder {
  return member ? { [SELF]: LEAF } : {};
}

/** Whether no path is in the set. Only for roots: an empty node inside of a set is a member. */
export function isEmptySet(set: FieldSet): boolean {
  for (const element in set) if (element !== SELF) return false;
  return true;
}

function isMember(node: FieldSet): boolean {
  return Object.hasOwn(node, SELF) || isEmptySet(node);
}

/** The node of an element with these children; undefined when there is nothing in it. */
export function makeNode(member: boolean, children: FieldSet | undefined): FieldSet | undefined {
  if (!children || isEmptySet(children)) return member ? LEAF : undefined;
  if (Object.hasOwn(children, SELF) === member) return children;
  if (member) return { [SELF]: LEAF, ...children };
  const { [SELF]: _, ...rest } = children;
  return rest;
}

/** Combines the nodes of two sets element by element; a result of undefined leaves it out. */
function combine(
  left: FieldSet,
  right: FieldSet,
  pair: (left: FieldSet, right: FieldSet) => FieldSet | undefined,
  onlyLeft: boolean,
): FieldSet {
  let result: FieldSetBuilder | undefined;
  for (const element in left) {
    if (element === SELF) continue;
    const node = left[element] as FieldSet;
    const other = Object.hasOwn(right, element) ? right[element] : undefined;
    const after = other ? pair(node, other) : onlyLeft ? node : undefined;
    if (after === node) continue;
    result ??= { ...left };
    if (after) result[element] = after;
    else delete result[element];
  }
  return result ?? left;
}

/** Members of either set. */
export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (left === right || isEmptySet(right)) return left;
  if (isEmptySet(left)) return right;
  const merged = combine(left, right, unionNodes, true);
  let result: FieldSetBuilder | undefined;
  for (const element in right) {
    if (element === SELF || Object.hasOwn(left, element)) continue;
    result ??= { ...merged };
    result[element] = right[element] as FieldSet;
  }
  return result ?? merged;
}

function unionNodes(left: FieldSet, right: FieldSet): FieldSet | undefined {
  return makeNode(isMember(left) || isMember(right), union(left, right));
}

/** Members of `left` that are not members of `right`. Answers `left` itself when that is all. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  return combine(left, right, differenceOfNodes, true);
}

function differenceOfNodes(left: FieldSet, right: FieldSet): FieldSet | undefined {
  return makeNode(isMember(left) && !isMember(right), difference(left, right));
}

/** Members of `left` that are neither members of `right` nor below one. */
export function withoutSubtrees(left: FieldSet, right: FieldSet): FieldSet {
  return combine(
    left,
    right,
    (node, other) =>
      isMember(other) ? undefined : makeNode(isMember(node), withoutSubtrees(node, other)),
    true,
  );
}

/** Members of both sets. */
export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  return combine(left, right, intersectionOfNodes, false);
}

function intersectionOfNodes(left: FieldSet, right: FieldSet): FieldSet | undefined {
  return makeNode(isMember(left) && isMember(right), intersection(left, right));
}

/** Whether the one element is itself in the set, and what the set holds below it. */
export function lookUp(
  set: FieldSet,
  element: string,
): { member: boolean; below: FieldSet | undefined } {
  const node = Object.hasOwn(set, element) ? set[element] : undefined;
  if (!node) return { member: false, below: undefined };
  return { member: isMember(node), below: isEmptySet(node) ? undefined : node };
}

/** The set with `change` applied to the node of every element; undefined leaves it out. */
export function mapNodes(
  set: FieldSet,
  change: (element: string, member: boolean, node: FieldSet) => FieldSet | undefined,
): FieldSet {
  let result: FieldSetBuilder | undefined;
  for (const element in set) {
    if (element === SELF) continue;
    const node = set[element] as FieldSet;
    const after = change(element, isMember(node), node);
    if (after === node) continue;
    result ??= { ...set };
    if (after) result[element] = after;
    else delete result[element];
  }
  return result ?? set;
}

/** Every path in the set; those that end at a level come before those that go on. */
export function pathsOf(set: FieldSet): string[][] {
  const paths: string[][] = [];
  const visit = (node: FieldSet, path: readonly string[]) => {
    const elements = Object.keys(node).filter((element) => element !== SELF);
    sortElements(elements);
    for (const element of elements) {
      if (isMember(node[element] as FieldSet)) paths.push([...path, element]);
    }
    for (const element of elements) visit(node[element] as FieldSet, [...path, element]);
  };
  visit(set, []);
  return paths;
}

/** The set with the elements of every node in Kubernetes' order, `.` first. */
export function sorted(set: FieldSet): FieldSet {
  return sortedBy(set, sorted);
}

/** The set with the elements of its root in that order; `below` changes the nodes below. */
export function sortedBy(set: FieldSet, below: (node: FieldSet) => FieldSet): FieldSet {
  const elements = Object.keys(set);
  if (elements.length === 0) return LEAF;
  if (elements.length > 1) sortElements(elements);
  const result: FieldSetBuilder = {};
  for (const element of elements) result[element] = below(set[element] as FieldSet);
  return result;
}

/** Only keys and values need more than the order of their text, and only beside each other. */
function sortElements(elements: string[]): void {
  const plain = elements.every((element) => element.startsWith("f:") || element === SELF);
  if (plain) elements.sort();
  else elements.sort(compareElements);
}

const KIND_ORDER = ".fkvi";

/** Fields, then keys, then values; values as values, not as text. */
export function compareElements(left: string, right: string): number {
  const kinds = KIND_ORDER.indexOf(left.charAt(0)) - KIND_ORDER.indexOf(right.charAt(0));
  if (kinds !== 0) return kinds;
  const kind = left.charAt(0);
  if (kind !== "k" && kind !== "v") return compareText(left, right);
  return compareValues(parseElement(left), parseElement(right));
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function parseElement(element: string): unknown {
  try {
    return JSON.parse(element.slice(2));
  } catch {
    return element;
  }
}

function compareValues(left: unknown, right: unknown): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left === "object" && left && typeof right === "object" && right) {
    const others = Object.entries(right);
    for (const [index, [name, value]] of Object.entries(left).entries()) {
      const other = others[index];
      if (!other) return 1;
      const order = compareText(name, other[0]) || compareValues(value, other[1]);
      if (order !== 0) return order;
    }
    return Object.keys(left).length - others.length;
  }
  return compareText(JSON.stringify(left), JSON.stringify(right));
}
