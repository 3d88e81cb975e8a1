import type { KubernetesObject } from "../object.ts";
import type { Field, KindTable, Schema } from "../schema.ts";
import { isAlwaysPresent, isBare, type Place, UNOWNED_METADATA, UNOWNED_ROOT } from "./compare.ts";
import { type FieldSet, type FieldSetBuilder, LEAF, newNode, sortedBy } from "./field-set.ts";
import { remember } from "./field-text.ts";
import { isArray, isObject, type JsonObject } from "./json-value.ts";
import { fieldElement } from "./path-element.ts";
import { elementOf, fieldOrUntyped, itemField, type Shape, shapeOf } from "./typed.ts";

/**
 * The fields of a new object, as compareObjects(undefined, object) finds them less its status, but
 * sorted, frozen, and shared by all objects that have the same: most new objects are alike in this
 * (pods of a template, ConfigMaps of a tool). Each is followed along the trail of those before it,
 * so that nothing is built for one that is like another.
 */
export function fieldsOfNew(object: KubernetesObject, table: KindTable): FieldSet {
  const status = table.subresources.some(({ name }) => name === "status");
  const level = levelOf(table.schema, status ? "root without status" : "root");
  const set = fieldsNode(object, level) ?? LEAF;
  remember(set);
  if (trails > TRAILS_MAX) forgetAll();
  return set;
}

/** As in compare.ts; whether the root's status counts depends on the kind. */
type Where = Place | "root without status";

/** What is known of one field of a schema at one place. */
interface Known {
  readonly element: string;
  readonly shape: Shape;
  readonly field: Field;
  readonly place: Place;
  /** Of what is below it; found when it is first needed. */
  level: Level | undefined;
}

/** A schema at one place: where the trails of its objects begin, and its fields. */
class Level {
  readonly schema: Schema;
  readonly where: Where;
  readonly start: Trail;
  readonly #known = new Map<string, Known | null>();

  constructor(schema: Schema, where: Where) {
    this.schema = schema;
    this.where = where;
    this.start = new Trail(where === "inside", undefined, "", LEAF);
  }

  /** null: nobody owns it. */
  known(name: string): Known | null {
    let known = this.#known.get(name);
    if (known === undefined) {
      known = isUnowned(name, this.where) ? null : this.#look(name);
      this.#known.set(name, known);
      trails++;
    }
    return known;
  }

  #look(name: string): Known {
    const field = fieldOrUntyped(this.schema, name);
    const place = placeBelow(name, this.schema, this.where);
    return knownOf(fieldElement(name), field, place);
  }
}

function knownOf(element: string, field: Field, place: Place): Known {
  return { element, field, place, shape: shapeOf(field), level: undefined };
}

const TRAILS_MAX = 20_000;
/** Steps and fields that are remembered. */
let trails = 0;
let levels = new WeakMap<Schema, Map<Where, Level>>();

function levelOf(schema: Schema, where: Where): Level {
  let places = levels.get(schema);
  if (places === undefined) {
    places = new Map();
    levels.set(schema, places);
  }
  let level = places.get(where);
  if (level === undefined) {
    level = new Level(schema, where);
    places.set(where, level);
  }
  return level;
}

function forgetAll(): void {
  levels = new WeakMap();
  itemFields = new WeakMap();
  trails = 0;
}

/** The elements of a node so far; each next one, with what is below it, leads one step on. */
class Trail {
  readonly #member: boolean;
  readonly #before: Trail | undefined;
  readonly #element: string;
  readonly #below: FieldSet;
  #node: FieldSet | undefined;
  /** The step taken last, which the next object will probably take too. */
  #last: Trail | undefined;
  #steps: Map<string, Map<FieldSet, Trail>> | undefined;

  constructor(member: boolean, before: Trail | undefined, element: string, below: FieldSet) {
    this.#member = member;
    this.#before = before;
    this.#element = element;
    this.#below = below;
  }

  step(element: string, below: FieldSet): Trail {
    const last = this.#last;
    if (last !== undefined && last.#below === below && last.#element === element) return last;
    this.#steps ??= new Map();
    let steps = this.#steps.get(element);
    if (steps === undefined) {
      steps = new Map();
      this.#steps.set(element, steps);
    }
    let next = steps.get(below);
    if (next === undefined) {
      next = new Trail(this.#member, this, element, below);
      steps.set(below, next);
      trails++;
    }
    this.#last = next;
    return next;
  }

  /** undefined when there are no elements, and the node is no member itself. */
  get node(): FieldSet | undefined {
    if (this.#before === undefined) return this.#member ? LEAF : undefined;
    this.#node ??= this.#build();
    return this.#node;
  }

  #build(): FieldSet {
    const all: FieldSetBuilder = newNode(this.#member);
    for (let trail: Trail = this; trail.#before !== undefined; trail = trail.#before) {
      // Items with the same keys are owned as one.
      const repeated = Object.hasOwn(all, trail.#element);
      all[trail.#element] = repeated ? LEAF : trail.#below;
    }
    return Object.freeze(sortedBy(all, (below) => below));
  }
}

function isUnowned(name: string, where: Where): boolean {
  if (where === "inside" || where === "struct") return false;
  if (where === "metadata") return UNOWNED_METADATA.has(name);
  return UNOWNED_ROOT.has(name) || (name === "status" && where !== "root");
}

function placeBelow(name: string, schema: Schema, where: Where): Place {
  if (where === "inside" || !isAlwaysPresent(name, schema)) return "inside";
  return name === "metadata" && where.startsWith("root") ? "metadata" : "struct";
}

function fieldsNode(object: JsonObject, level: Level): FieldSet | undefined {
  let trail = level.start;
  for (const name in object) {
    const value = object[name];
    if (value === undefined) continue;
    const known = level.known(name);
    if (known === null) continue;
    const below = nodeOf(value, known);
    if (below !== undefined) trail = trail.step(known.element, below);
  }
  return trail.node;
}

function nodeOf(value: unknown, known: Known): FieldSet | undefined {
  const { shape, place } = known;
  if (shape === "leaf") return LEAF;
  if (isBare(value)) return place === "inside" ? LEAF : undefined;
  if (shape === "fields" ? !isObject(value) : !isArray(value)) return LEAF;
  known.level ??= levelOf(known.field.schema, place);
  if (shape === "fields") return fieldsNode(value as JsonObject, known.level);
  return itemsNode(value as readonly unknown[], known.field, known.level);
}

function itemsNode(list: readonly unknown[], field: Field, { start }: Level): FieldSet | undefined {
  let trail = start;
  const items = itemsKnown(itemField(field));
  for (const item of list) {
    const element = elementOf(field, item);
    if (element !== undefined) trail = trail.step(element, nodeOf(item, items) ?? LEAF);
  }
  return trail.node;
}

let itemFields = new WeakMap<Field, Known>();

function itemsKnown(field: Field): Known {
  let known = itemFields.get(field);
  if (known === undefined) {
    known = knownOf("", field, "inside");
    itemFields.set(field, known);
  }
  return known;
}
