import { describe, expect, it } from "vitest";
import { drawFlames, frameTree, selfTimes } from "../../services/cli/profile/flame.ts";

function node(id: number, functionName: string, children: number[] = [], url = "") {
  return { id, callFrame: { functionName, url, lineNumber: 9 }, children };
}

const profile = {
  nodes: [
    node(1, "(root)", [2, 3, 6]),
    node(2, "(idle)"),
    node(3, "serve", [4, 5], "file:///dist/apiserver.js"),
    node(4, "encode"),
    node(5, "encode"),
    node(6, "<collect>"),
  ],
  samples: [2, 3, 4, 5, 6],
  timeDeltas: [900, 10, 20, 30, 40],
};

describe("a flame graph", () => {
  it("sums calls by the same callers, without idle time", () => {
    const root = frameTree(profile);
    expect(root.total).toBe(100);
    const serve = root.children.get("serve apiserver.js:10");
    expect([serve?.self, serve?.total]).toEqual([10, 60]);
    expect(serve?.children.get("encode")).toMatchObject({ self: 50, total: 50 });
    expect(selfTimes(root)[0]).toEqual({ name: "encode", share: 0.5 });
  });

  it("is as wide as the time was long, and escapes names", () => {
    const svg = drawFlames(frameTree(profile), "t", "n");
    expect(svg).toContain('width="720.0"');
    expect(svg).toContain("&#60;collect&#62;: 40.0 %, itself 40.0 %");
  });
});
