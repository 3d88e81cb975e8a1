import { failure } from "../../shared/api/errors.ts";
import type { Revision, Store } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";

/** How long a read waits for the projection; as long as upstream waits for its cache. */
export const FRESH_TIMEOUT_MS = 3000;
/** How long to wait for the own commits before going on without: the log may be away. */
const OWN_TIMEOUT_MS = 100;

/**
 * Makes reads linearizable (DESIGN D6): asks the log for its end (the store shares one question
 * among all who wait for it) and waits until the projection has reached it.
 */
export class Freshness {
  readonly #store: Pick<Store, "head">;
  readonly #projection: ProjectionReader;
  #committed: Revision = 0;

  constructor(store: Pick<Store, "head">, projection: ProjectionReader) {
    this.#store = store;
    this.#projection = projection;
  }

  /**
   * Resolves when the projection shows everything that was committed before the call.
   * @throws StatusError (Timeout) when it lags for longer than FRESH_TIMEOUT_MS, StoreError.
   */
  async latest(): Promise<Revision> {
    const head = await this.#store.head();
    await this.reached(head);
    return head;
  }

  /** Something was committed here. */
  committed(revision: Revision): void {
    this.#committed = Math.max(this.#committed, revision);
  }

  /** undefined, or resolves, when the projection shows what was committed here, or soon anyway. */
  own(): Promise<void> | undefined {
    if (this.#projection.revision >= this.#committed) return undefined;
    return this.#projection.waitFor(this.#committed, OWN_TIMEOUT_MS).catch(() => undefined);
  }

  /** @throws StatusError "Too large resource version" after FRESH_TIMEOUT_MS. */
  async reached(revision: Revision): Promise<void> {
    if (this.#projection.ready && this.#projection.revision >= revision) return;
    try {
      await this.#projection.waitFor(revision, FRESH_TIMEOUT_MS);
    } catch {
      throw tooLargeResourceVersion(revision, this.#projection.revision);
    }
  }
}

/** The revision is not there yet: the client is told to try again in a second. */
export function tooLargeResourceVersion(asked: Revision, current: Revision): Error {
  return failure(
    504,
    "Timeout",
    `Timeout: Too large resource version: ${asked}, current: ${current}`,
    {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  );
}
