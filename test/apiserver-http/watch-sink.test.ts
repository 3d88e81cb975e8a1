import { describe, expect, it } from "vitest";
import { joined } from "../../services/apiserver/http/watch-sink.ts";

const [one, two, three] = ["one\n", "two\n", "three\n"].map((text) => Buffer.from(text)) as [
  Buffer,
  Buffer,
  Buffer,
];

describe("frames of one turn", () => {
  it("are joined once for all watchers that were told the same", () => {
    const bytes = joined([one, two, three]);
    expect(String(bytes)).toBe("one\ntwo\nthree\n");
    expect(joined([one, two, three])).toBe(bytes);
  });

  it("are each watcher's own where they differ", () => {
    expect(String(joined([one, two, three]))).toBe("one\ntwo\nthree\n");
    expect(String(joined([two, three]))).toBe("two\nthree\n");
    expect(String(joined([one, three, two]))).toBe("one\nthree\ntwo\n");
    expect(String(joined([one, two, Buffer.from("three\n")]))).toBe("one\ntwo\nthree\n");
    expect(joined([two])).toBe(two);
  });
});
