import { badRequest } from "../errors.ts";
import { patchFailed, patchTooLarge } from "./errors.ts";
import { getField, isArray, isObject, jsonEqual, kindOfJson, setField } from "./json-value.ts";

/** Kubernetes takes at most this many operations in one JSON patch. */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;
/** What `copy` operations of one patch may add together, in bytes of JSON. */
export const JSON_PATCH_COPY_BYTES_MAX = 3 * 1024 * 1024;

/** Why an operation does not apply. Only its Status leaves this module. */
class Inapplicable extends Error {}

interface Operation {
  readonly op?: unknown;
  readonly path?: unknown;
  readonly from?: unknown;
  readonly value?: unknown;
}

type Container = Record<string, unknown> | unknown[];

/**
 * JSON patch (RFC 6902) as Kubernetes applies it: negative indices count from the end, `replace` of
 * an absent field of an object adds it, `test` of an absent field against null succeeds.
 * The document may be frozen; what no operation touches is shared with the result.
 * @throws StatusError BadRequest for what is not a patch, Invalid (422) when an operation does not
 *   apply, RequestEntityTooLarge for too many operations.
 */
export function applyJsonPatch<T extends object>(document: T, patch: unknown): T {
  const operations = decode(patch);
  const editor = new Editor(document);
  try {
    for (const operation of operations) editor.apply(operation);
  } catch (error) {
    if (error instanceof Inapplicable) throw patchFailed();
    throw error;
  }
  return editor.root as T;
}

function decode(patch: unknown): readonly Operation[] {
  if (!isArray(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kindOfJson(patch)} into Go value of type ` +
        "[]interface {}",
    );
  }
  for (const operation of patch) {
    if (operation !== null && !isObject(operation)) {
      const kind = kindOfJson(operation);
      throw badRequest(`json: cannot unmarshal ${kind} into Go value of type jsonpatch.Operation`);
    }
  }
  if (patch.length > JSON_PATCH_OPERATIONS_MAX) {
    throw patchTooLarge(
      `The allowed maximum operations in a JSON patch is ${JSON_PATCH_OPERATIONS_MAX}, ` +
        `got ${patch.length}`,
    );
  }
  return patch.map((operation) => operation ?? {});
}

/** A document under change: containers are copied when they are first written to. */
class Editor {
  root: unknown;
  private readonly owned = new Set<unknown>();
  private copied = 0;

  constructor(document: unknown) {
    this.root = document;
  }

  apply(operation: Operation): void {
    switch (operation.op) {
      case "add":
        this.add(pathOf(operation.path), operation.value ?? null);
        break;
      case "remove":
        this.remove(pathOf(operation.path));
        break;
      case "replace":
        this.replace(pathOf(operation.path), operation.value ?? null);
        break;
      case "move": {
        const from = pathOf(operation.from);
        const value = this.get(from);
        this.remove(from);
        this.add(pathOf(operation.path), value);
        break;
      }
      case "copy":
        this.copy(pathOf(operation.from), pathOf(operation.path));
        break;
      case "test":
        this.test(pathOf(operation.path), operation.value ?? null);
        break;
      default:
        throw new Inapplicable(`unexpected operation ${String(operation.op)}`);
    }
  }

  private copy(from: readonly string[], path: readonly string[]): void {
    const value = this.get(from);
    this.copied += JSON.stringify(value ?? null).length;
    if (this.copied > JSON_PATCH_COPY_BYTES_MAX) throw new Inapplicable("copies too much");
    this.disown(value);
    this.add(path, value ?? null);
  }

  /** What stands in two places may no longer be changed in place. */
  private disown(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    this.owned.delete(value);
    for (const part of Object.values(value)) this.disown(part);
  }

  private test(path: readonly string[], expected: unknown): void {
    const actual = path.length === 0 ? this.root : (this.get(path) ?? null);
    if (!jsonEqual(actual, expected)) throw new Inapplicable("test failed");
  }

  private add(path: readonly string[], value: unknown): void {
    const [parent, key] = this.writableParent(path);
    if (Array.isArray(parent)) {
      if (key === "-") parent.push(value);
      else parent.splice(indexOf(key, parent.length, parent.length), 0, value);
    } else {
      setField(parent, key, value);
    }
  }

  private remove(path: readonly string[]): void {
    const [parent, key] = this.writableParent(path);
    if (Array.isArray(parent)) {
      parent.splice(indexOf(key, parent.length - 1, parent.length), 1);
    } else {
      if (!Object.hasOwn(parent, key)) throw new Inapplicable("nothing to remove");
      delete parent[key];
    }
  }

  private replace(path: readonly string[], value: unknown): void {
    if (path.length === 0) {
      if (typeof value !== "object" || value === null) throw new Inapplicable("not a document");
      this.root = value;
      return;
    }
    const [parent, key] = this.writableParent(path);
    if (Array.isArray(parent)) parent[indexOf(key, parent.length - 1, parent.length)] = value;
    else setField(parent, key, value);
  }

  private get(path: readonly string[]): unknown {
    if (path.length === 0) throw new Inapplicable("no key");
    let value: unknown = this.root;
    for (const key of path) value = child(value, key);
    return value;
  }

  /** The container that the path's last key is in, copied as far as it was shared. */
  private writableParent(path: readonly string[]): [Container, string] {
    const key = path.at(-1);
    if (key === undefined) throw new Inapplicable("the whole document");
    this.root = this.own(this.root);
    let container = this.root as Container;
    for (const part of path.slice(0, -1)) {
      const next = this.own(child(container, part));
      if (Array.isArray(container)) {
        container[indexOf(part, container.length - 1, container.length)] = next;
      } else {
        setField(container, part, next);
      }
      container = next;
    }
    return [container, key];
  }

  private own(value: unknown): Container {
    if (typeof value !== "object" || value === null) throw new Inapplicable("missing path");
    if (this.owned.has(value)) return value as Container;
    const copy = Array.isArray(value) ? [...value] : { ...value };
    this.owned.add(copy);
    return copy;
  }
}

function child(container: unknown, key: string): unknown {
  if (isArray(container)) return container[indexOf(key, container.length - 1, container.length)];
  if (isObject(container)) return getField(container, key);
  throw new Inapplicable("missing path");
}

/** An array index at most `last`; a negative one counts from behind the end of `length`. */
function indexOf(key: string, last: number, length: number): number {
  if (!/^[+-]?\d+$/.test(key)) throw new Inapplicable("not an index");
  let index = Number(key);
  if (index < 0) index += last === length ? length + 1 : length;
  if (index < 0 || index > last) throw new Inapplicable("index out of range");
  return index;
}

function pathOf(pointer: unknown): readonly string[] {
  if (typeof pointer !== "string") throw new Inapplicable("no path");
  if (pointer === "") return [];
  const parts = pointer.split("/");
  if (parts.length < 2) throw new Inapplicable("not a pointer");
  return parts.slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}
