/** Why something that was deleted is still there: finalizers, a grace period, its content. */
import { parseKey } from "../../../../shared/api/key.ts";
import type { KubernetesObject } from "../../../../shared/api/object.ts";
import type { Key } from "../../../../shared/store/store.ts";

export interface Terminating {
  /** Finalizers of the object itself: whoever set them must take them away. */
  readonly finalizers: readonly string[];
  /** What is left in a namespace, by resource. */
  readonly content: readonly {
    readonly resource: string;
    readonly objects: readonly {
      readonly name: string;
      readonly finalizers: readonly string[];
      readonly terminating: boolean;
    }[];
  }[];
}

/** Undefined when it is not being deleted. */
export function explainTerminating(
  key: Key,
  object: KubernetesObject,
  others: ReadonlyMap<Key, KubernetesObject>,
): Terminating | undefined {
  const { metadata, spec } = object;
  if (metadata.deletionTimestamp === undefined) return undefined;
  const isNamespace = key.startsWith("namespaces/");
  const own: string[] = isNamespace ? (spec?.finalizers ?? []) : [];
  return {
    finalizers: [...own, ...(metadata.finalizers ?? [])],
    content: isNamespace ? contentOf(metadata.name, others) : [],
  };
}

function contentOf(
  namespace: string,
  others: ReadonlyMap<Key, KubernetesObject>,
): Terminating["content"] {
  const content = new Map<string, Terminating["content"][number]["objects"][number][]>();
  for (const [key, { metadata }] of others) {
    const parts = parseKey(key);
    if (parts.namespace !== namespace) continue;
    const objects = content.get(parts.resource) ?? [];
    objects.push({
      name: parts.name,
      finalizers: metadata.finalizers ?? [],
      terminating: metadata.deletionTimestamp !== undefined,
    });
    content.set(parts.resource, objects);
  }
  return [...content].map(([resource, objects]) => ({ resource, objects }));
}
