import type { Key } from "../store/store.ts";

/** A resource and its group as Kubernetes prints it: `pods`, `deployments.apps`. */
export type GroupResource = string;

/** The parts of a Key. `namespace` is "" for cluster-scoped objects. */
export interface KeyParts {
  readonly resource: GroupResource;
  readonly namespace: string;
  readonly name: string;
}

const NO_NAMESPACE = "_";

/** The key of an object: `pods/default/web-1`, `nodes/_/node-1`. */
export function keyOf(resource: GroupResource, namespace: string | undefined, name: string): Key {
  return `${resource}/${namespace || NO_NAMESPACE}/${name}`;
}

/** Takes a key apart again. */
export function parseKey(key: Key): KeyParts {
  const first = key.indexOf("/");
  const second = key.indexOf("/", first + 1);
  if (first <= 0 || second < 0) throw new TypeError(`not a key: ${JSON.stringify(key)}`);
  const namespace = key.slice(first + 1, second);
  return {
    resource: key.slice(0, first),
    namespace: namespace === NO_NAMESPACE ? "" : namespace,
    name: key.slice(second + 1),
  };
}

/** The resource of a key: all that is needed to know where it lives. */
export function resourceOfKey(key: Key): GroupResource {
  const end = key.indexOf("/");
  if (end <= 0) throw new TypeError(`not a key: ${JSON.stringify(key)}`);
  return key.slice(0, end);
}

/** The prefix of all keys of a resource, or of those in one namespace. */
export function prefixOf(resource: GroupResource, namespace?: string): string {
  return namespace === undefined ? `${resource}/` : `${resource}/${namespace || NO_NAMESPACE}/`;
}
