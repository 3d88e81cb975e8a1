import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Response } from "../../services/apiserver/http/exchange.ts";
import { writeBody } from "../../services/apiserver/http/write-body.ts";

/** A client that takes what it is sent when it is told to. */
class SlowClient extends Writable {
  readonly taken: Buffer[] = [];
  #next: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk);
    this.#next = done;
  }

  take(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }
}

const parts = Array.from({ length: 3_000 }, (_, index) => Buffer.from(`${index},`.repeat(200)));

describe("a body in parts", () => {
  it("is written as the client takes it", async () => {
    const client = new SlowClient();
    const writing = writeBody(client as unknown as Response, parts);
    expect(client.writableLength).toBeLessThan(300 * 1024);
    let most = 0;
    let over = false;
    void writing.then(() => {
      over = true;
    });
    while (!over) {
      client.take();
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, client.writableLength);
    }
    client.take();
    expect(most).toBeLessThan(600 * 1024);
    expect(Buffer.concat(client.taken).equals(Buffer.concat(parts))).toBe(true);
    expect(client.taken.length).toBeLessThan(40);
    expect(client.writableEnded).toBe(true);
  });

  it("ends with the client", async () => {
    const client = new SlowClient();
    const writing = writeBody(client as unknown as Response, parts);
    client.destroy();
    await writing;
    expect(client.taken).toHaveLength(1);
  });

  it("may be empty", async () => {
    const client = new SlowClient();
    await writeBody(client as unknown as Response, []);
    client.take();
    expect(client.writableEnded).toBe(true);
  });
});
