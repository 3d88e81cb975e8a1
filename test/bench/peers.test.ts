import { describe, expect, it } from "vitest";
import { wrapperModule } from "./peers/build.ts";

describe("the module that builds the programs to compare with", () => {
  it("keeps upstream's versions, with staging modules as they are published", () => {
    const upstream = [
      "module k8s.io/kubernetes",
      "go 1.25.0",
      "require (",
      "\tgithub.com/google/uuid v1.6.0",
      "\tk8s.io/api v0.0.0",
      ")",
      "replace (",
      "\tk8s.io/api => ./staging/src/k8s.io/api",
      ")",
      "",
    ].join("\n");
    expect(wrapperModule(upstream, "1.35.4").split("\n")).toEqual([
      "module peers",
      "go 1.25.0",
      "require (",
      "\tgithub.com/google/uuid v1.6.0",
      "\tk8s.io/api v0.0.0",
      ")",
      "replace (",
      "\tk8s.io/api => k8s.io/api v0.35.4",
      ")",
      "",
      "require k8s.io/kubernetes v1.35.4",
      "",
    ]);
  });
});
