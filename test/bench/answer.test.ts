import { describe, expect, it } from "vitest";
import { AnswerParser } from "./load/answer.ts";

/** What a parser makes of bytes that come in parts of a size. */
function parse(text: string, size: number): string[] {
  const seen: string[] = [];
  let body = "";
  const parser = new AnswerParser({
    head: (code) => seen.push(`head ${code}`),
    data: (part) => {
      body += part.toString();
    },
    end: (last) => {
      seen.push(`body ${body}`, last ? "last" : "open");
      body = "";
    },
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) parser.feed(bytes.subarray(at, at + size));
  return seen;
}

const LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const EMPTY = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
const CHUNKED =
  "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "6\r\nab\r\ncd\r\nb;x=1\r\n01234567890\r\n0\r\nTrailer: 1\r\n\r\n";

describe("an answer", () => {
  it.each([1, 2, 3, 7, 64, 1000])("is the same in parts of %i bytes", (size) => {
    expect(parse(LENGTH + CHUNKED + CONTINUE + EMPTY + LENGTH, size)).toEqual([
      ...["head 200", "body hello", "open"],
      ...["head 201", "body ab\r\ncd01234567890", "open"],
      ...["head 404", "body ", "last"],
      ...["head 200", "body hello", "open"],
    ]);
  });

  it.each([
    ["HTTP/1.0 200 OK\r\n\r\n", "no HTTP/1.1"],
    ["HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", "without a length"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "without a size"],
  ])("is refused when it is %j", (text, message) => {
    expect(() => parse(text, 1000)).toThrow(message);
  });
});
