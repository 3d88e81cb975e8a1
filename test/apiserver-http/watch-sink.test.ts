import { describe, expect, it } from "vitest";
import { joined } from "../../services/apiserver/http/watch-sink.ts";

const [one, two, three] = ["one\n", "two\n", "three\n"].map((text) => Buffer.from(text)) as [
  Buffer,
  Buffer,
  Buffer,
];

describe("frames of one turn", () => {
  it("are joined once for all watchers that were told the same", () => {
    const first = joined([one, two, three]);
    expect(String(first.bytes)).toBe("one\ntwo\nthree\n");
    expect(joined([one, two, three], first)).toBe(first);
    expect(joined([one], joined([one])).bytes).toBe(one);
  });

  it("are each watcher's own where they differ", () => {
    const first = joined([one, two, three]);
    const text = (...frames: Buffer[]) => String(joined(frames, first).bytes);
    expect(text(two, three)).toBe("two\nthree\n");
    expect(text(one, three, two)).toBe("one\nthree\ntwo\n");
    expect(text(one, two, three, one)).toBe("one\ntwo\nthree\none\n");
    expect(text(one, two, Buffer.from("3\n"))).toBe("one\ntwo\n3\n");
  });
});
