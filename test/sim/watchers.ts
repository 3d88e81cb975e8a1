import type { ApiClient } from "../../shared/actor/client.ts";
import type { Key, Revision } from "../../shared/store/store.ts";
import type { Observer } from "./observer.ts";

/**
 * A client that watches a resource all along and checks what it is told: each revision once, in
 * order, and by the end every one that the log has.
 */
export class WatchChecker {
  readonly violations: string[] = [];
  readonly #resource: string;
  readonly #observer: Observer;
  /** Revisions since the last listing, in order of delivery. */
  #seen: Revision[] = [];
  /** The listing is complete up to here; undefined while it lasts. */
  #listed: Revision | undefined;
  #reached: Revision = 0;

  constructor(client: ApiClient, resource: string, observer: Observer) {
    this.#resource = resource;
    this.#observer = observer;
    client.watch(
      { resource },
      {
        listing: () => {
          this.#listed = undefined;
          this.#seen = [];
        },
        version: (key, revision) => this.#version(key, revision),
        synced: (revision) => {
          this.#listed = revision;
          this.#reached = revision;
        },
        reached: (revision) => {
          if (revision < this.#reached) this.#complain(`went back to ${revision}`);
          this.#reached = revision;
        },
      },
    );
  }

  #version(key: Key, revision: Revision): void {
    const written = this.#observer.written.get(revision);
    if (written !== key) this.#complain(`${key} at ${revision}, where the log has ${written}`);
    if (this.#listed === undefined) return;
    const last = this.#seen.at(-1) ?? this.#listed;
    if (revision <= last) this.#complain(`${revision} came after ${last}`);
    this.#seen.push(revision);
  }

  /** To be asked when all is quiet: what is missing? */
  finish(): string[] {
    const { written, revision } = this.#observer;
    const listed = this.#listed;
    if (listed === undefined) return [...this.violations, this.#text("is still listing")];
    if (this.#reached < lastOf(written, this.#resource, revision)) {
      return [...this.violations, this.#text(`has only come to ${this.#reached}`)];
    }
    const seen = new Set(this.#seen);
    const missing = [...written].filter(([each, key]) => {
      return each > listed && key.startsWith(`${this.#resource}/`) && !seen.has(each);
    });
    const messages = missing.map(([each, key]) => this.#text(`has missed ${each} of ${key}`));
    return [...this.violations, ...messages];
  }

  #complain(message: string): void {
    this.violations.push(this.#text(message));
  }

  #text(message: string): string {
    return `the watch of ${this.#resource} ${message}`;
  }
}

function lastOf(written: ReadonlyMap<Revision, Key>, resource: string, from: Revision): Revision {
  for (let revision = from; revision > 0; revision--) {
    if (written.get(revision)?.startsWith(`${resource}/`)) return revision;
  }
  return 0;
}
