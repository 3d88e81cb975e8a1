import { randomBytes } from "node:crypto";
import { connect, constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Response } from "../../services/apiserver/http/exchange.ts";
import { writeBody, writeCompressed } from "../../services/apiserver/http/write-body.ts";

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

  it("ends with the client when it is compressed, too", async () => {
    const client = new SlowClient();
    const writing = writeCompressed(client as unknown as Response, parts);
    client.emit("close");
    await expect(writing).resolves.toBeUndefined();
  });

  it("is the same when it is compressed", async () => {
    const client = new SlowClient();
    let over = false;
    const writing = writeCompressed(client as unknown as Response, parts).then(() => {
      over = true;
    });
    while (!over) {
      client.take();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    expect(gunzipSync(Buffer.concat(client.taken)).equals(Buffer.concat(parts))).toBe(true);
  });

  it.each([
    ["plain", writeBody] as const,
    ["compressed", writeCompressed] as const,
  ])("ends with the client of HTTP/2, %s", async (_, write) => {
    const server = createServer();
    const written: Promise<void>[] = [];
    const begun = new Promise<void>((resolve) => {
      server.on("request", (_request, response) => {
        response.on("error", () => undefined);
        const noise = Array.from({ length: 20 }, () => randomBytes(256 * 1024));
        written.push(write(response as unknown as Response, noise));
        // Nobody is there any more, and the response has said so.
        response.on("close", () => {
          written.push(write(response as unknown as Response, noise));
          resolve();
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const call = client.request({ ":path": "/" });
    call.on("error", () => undefined);
    call.once("data", () => call.close(constants.NGHTTP2_CANCEL));
    await begun;
    await Promise.all(written);
    client.destroy();
    server.close();
    expect(written).toHaveLength(2);
  });

  it("may be empty", async () => {
    const client = new SlowClient();
    await writeBody(client as unknown as Response, []);
    client.take();
    expect(client.writableEnded).toBe(true);
  });
});
