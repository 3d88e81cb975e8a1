import type { ApiClient, WatchHandle } from "../../../shared/actor/client.ts";
import type { FeedWatch } from "../../../shared/actor/feed.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Key } from "../../../shared/store/store.ts";

/** Takes what a watch says; it keeps of it what it needs. */
export interface Follower {
  /** Keys that it knows of. */
  known(): Iterable<Key>;
  /** undefined: deleted, or no longer selected. */
  changed(key: Key, object: KubernetesObject | undefined): void;
  /** All that there is has been told; said after every listing. */
  synced(): void;
}

/** Follows a resource without keeping its objects. */
export function follow(client: ApiClient, watch: FeedWatch, follower: Follower): WatchHandle {
  let unnamed = new Set<Key>();
  return client.watch(watch, {
    listing: () => {
      unnamed = new Set(follower.known());
    },
    version: (key, _revision, object) => {
      unnamed.delete(key);
      follower.changed(key, object);
    },
    synced: () => {
      for (const key of unnamed) follower.changed(key, undefined);
      unnamed.clear();
      follower.synced();
    },
    reached: () => undefined,
  });
}
