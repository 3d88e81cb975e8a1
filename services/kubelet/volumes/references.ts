import type { ApiClient } from "../../../shared/actor/client.ts";
import { type Feed, startFeed } from "../../../shared/actor/feed.ts";
import type { ConfigMap, Pod, Secret } from "../../../shared/api/generated/types.ts";
import { keyOf } from "../../../shared/api/key.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ReferenceSource } from "../pod/environment.ts";

type ReferenceKind = "configmaps" | "secrets";

/** An object that a pod refers to. */
interface Reference {
  readonly kind: ReferenceKind;
  readonly name: string;
}

/** Everything in the pod's namespace that its spec names, each once. */
export function podReferences(pod: Pod): Reference[] {
  const found = new Map<string, Reference>();
  const add = (kind: ReferenceKind, name: string | undefined): void => {
    if (name) found.set(`${kind}/${name}`, { kind, name });
  };
  const spec = pod.spec;
  for (const volume of spec?.volumes ?? []) {
    add("configmaps", volume.configMap?.name);
    add("secrets", volume.secret?.secretName);
    for (const part of volume.projected?.sources ?? []) {
      add("configmaps", part.configMap?.name);
      add("secrets", part.secret?.name);
    }
  }
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const from of container.envFrom ?? []) {
      add("configmaps", from.configMapRef?.name);
      add("secrets", from.secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      add("configmaps", valueFrom?.configMapKeyRef?.name);
      add("secrets", valueFrom?.secretKeyRef?.name);
    }
  }
  for (const { name } of spec?.imagePullSecrets ?? []) add("secrets", name);
  return [...found.values()];
}

interface Followed {
  readonly feed: Feed;
  /** Pods (by uid) that refer to it. */
  readonly pods: Set<string>;
}

/**
 * Follows the ConfigMaps and Secrets that the node's pods refer to, each by a watch of its own: a
 * node may read nothing else.
 */
export class References {
  readonly #client: ApiClient;
  readonly #runtime: Runtime;
  readonly #changed: (podUid: string) => void;
  readonly #followed = new Map<string, Followed>();
  readonly #ofPod = new Map<string, string[]>();

  /** `changed` is called for each pod that refers to what has changed. */
  constructor(client: ApiClient, runtime: Runtime, changed: (podUid: string) => void) {
    this.#client = client;
    this.#runtime = runtime;
    this.#changed = changed;
  }

  /** Follows what the pod refers to, and no longer what it does not. */
  follow(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const namespace = pod.metadata.namespace ?? "";
    const wanted = podReferences(pod).map(({ kind, name }) => keyOf(kind, namespace, name));
    for (const key of wanted) {
      const followed = this.#followed.get(key) ?? this.#start(key);
      followed.pods.add(uid);
    }
    const before = this.#ofPod.get(uid) ?? [];
    this.#ofPod.set(uid, wanted);
    this.#release(
      uid,
      before.filter((key) => !wanted.includes(key)),
    );
  }

  forget(uid: string): void {
    const keys = this.#ofPod.get(uid) ?? [];
    this.#ofPod.delete(uid);
    this.#release(uid, keys);
  }

  /** True once the state of everything that the pod refers to is known. */
  isKnown(uid: string): boolean {
    return (this.#ofPod.get(uid) ?? []).every((key) => this.#followed.get(key)?.feed.ready);
  }

  /** Resolves when that is so, or `timeoutMs` is over. */
  async known(uid: string, timeoutMs: number): Promise<void> {
    const feeds = (this.#ofPod.get(uid) ?? []).map((key) => this.#followed.get(key)?.feed);
    const waits = feeds.map((feed) => feed?.waitFor(1, timeoutMs).catch(() => undefined));
    await Promise.all(waits);
  }

  source(namespace: string): ReferenceSource {
    const find = (kind: ReferenceKind, name: string): unknown => {
      const key = keyOf(kind, namespace, name);
      return this.#followed.get(key)?.feed.get(key)?.object;
    };
    return {
      configMap: (name) => find("configmaps", name) as ConfigMap | undefined,
      secret: (name) => find("secrets", name) as Secret | undefined,
    };
  }

  stop(): void {
    for (const { feed } of this.#followed.values()) feed.stop();
    this.#followed.clear();
    this.#ofPod.clear();
  }

  #start(key: string): Followed {
    const [kind = "", namespace = "", name = ""] = key.split("/");
    const feed = startFeed(this.#client, this.#runtime, [
      { resource: kind, namespace, fieldSelector: `metadata.name=${name}` },
    ]);
    const followed = { feed, pods: new Set<string>() };
    feed.subscribe(undefined, () => {
      for (const uid of followed.pods) this.#changed(uid);
    });
    this.#followed.set(key, followed);
    return followed;
  }

  #release(uid: string, keys: readonly string[]): void {
    for (const key of keys) {
      const followed = this.#followed.get(key);
      followed?.pods.delete(uid);
      if (followed?.pods.size === 0) {
        followed.feed.stop();
        this.#followed.delete(key);
      }
    }
  }
}
