import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { Revision } from "../../shared/store/store.ts";

export interface Due {
  readonly record: DecisionRecord;
  /** Revision of the cluster log that it was made on. */
  readonly at: Revision;
}

const BLOCK_BYTES = 1024 * 1024;

/**
 * Records in the order of the revisions that they were made on; come in any other, and too many to
 * be held in memory, they lie in a file meanwhile.
 */
export class Spool {
  readonly #folder = mkdtempSync(join(tmpdir(), "cox-records-"));
  readonly #file = openSync(join(this.#folder, "records"), "w+");
  readonly #at: Revision[] = [];
  readonly #ends: number[] = [];
  #unwritten: Buffer[] = [];
  #unwrittenBytes = 0;
  #written = 0;
  #room = Buffer.alloc(0);

  add(record: DecisionRecord, at: Revision): void {
    const bytes = Buffer.from(JSON.stringify(record));
    this.#at.push(at);
    this.#ends.push((this.#ends.at(-1) ?? 0) + bytes.length);
    this.#unwritten.push(bytes);
    this.#unwrittenBytes += bytes.length;
    if (this.#unwrittenBytes >= BLOCK_BYTES) this.#flush();
  }

  /** Those of a revision in the order in which they came. */
  *inOrder(): Generator<Due, undefined> {
    this.#flush();
    const order = Uint32Array.from(this.#at.keys());
    order.sort((a, b) => (this.#at[a] as number) - (this.#at[b] as number) || a - b);
    for (const index of order) {
      const text = this.#read(this.#ends[index - 1] ?? 0, this.#ends[index] as number);
      yield { record: JSON.parse(text) as DecisionRecord, at: this.#at[index] as number };
    }
    return undefined;
  }

  close(): void {
    closeSync(this.#file);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#unwritten);
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#file, bytes, done, bytes.length - done, this.#written + done);
    }
    this.#written += bytes.length;
    this.#unwritten = [];
    this.#unwrittenBytes = 0;
  }

  #read(from: number, to: number): string {
    const length = to - from;
    if (this.#room.length < length) this.#room = Buffer.alloc(2 * length);
    for (let done = 0; done < length; ) {
      done += readSync(this.#file, this.#room, done, length - done, from + done);
    }
    return this.#room.toString("utf8", 0, length);
  }
}
