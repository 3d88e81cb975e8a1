import { describe, expect, it } from "vitest";
import { parseMoment, parseRange } from "../../services/cli/history/moment.ts";
import { isSelected, parseSelector } from "../../services/cli/history/selector.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");

describe("moments", () => {
  it.each([
    ["4711", { type: "revision", revision: 4711 }],
    ["HEAD", { type: "head", before: 0 }],
    ["head~20", { type: "head", before: 20 }],
    ["-10m", { type: "time", time: NOW - 600_000 }],
    ["-1h30m", { type: "time", time: NOW - 5_400_000 }],
    ["-0.5s", { type: "time", time: NOW - 500 }],
    ["2026-01-31T11:59:00Z", { type: "time", time: NOW - 60_000 }],
    ["2026-01-31T12:59:00.5+01:00", { type: "time", time: NOW - 59_500 }],
  ])("understand %s", (text, moment) => {
    expect(parseMoment(text, NOW)).toEqual(moment);
  });

  it.each([
    "",
    "-10",
    "yesterday",
    "HEAD~",
    "1e3",
    "2026-13-01",
    "31.1.2026",
  ])("refuse %j and say what they take", (text) => {
    expect(() => parseMoment(text, NOW)).toThrow(`${JSON.stringify(text)} is no moment. Take`);
  });

  it("make ranges that may be open", () => {
    const [a, b] = [parseMoment("5", NOW), parseMoment("-1m", NOW)];
    expect(parseRange("5..-1m", NOW)).toEqual({ from: a, to: b });
    expect(parseRange("5..", NOW)).toEqual({ from: a });
    expect(parseRange("5", NOW)).toEqual({ from: a });
    expect(parseRange("..-1m", NOW)).toEqual({ to: b });
    expect(() => parseRange("1..2..3", NOW)).toThrow("is no range");
  });
});

describe("selectors", () => {
  it.each([
    ["pods", { prefix: "pods/", log: "cluster" }],
    ["Pod", { prefix: "pods/", log: "cluster" }],
    ["deploy", { prefix: "deployments.apps/", log: "cluster" }],
    ["deployments.apps", { prefix: "deployments.apps/", log: "cluster" }],
    ["po/web/", { prefix: "pods/web/", log: "cluster" }],
    ["po/web/a", { prefix: "pods/web/", key: "pods/web/a", log: "cluster" }],
    ["po/a", { prefix: "pods/here/", key: "pods/here/a", log: "cluster" }],
    ["node/n-1", { prefix: "nodes/_/", key: "nodes/_/n-1", log: "cluster" }],
    ["nodes/", { prefix: "nodes/", log: "cluster" }],
    ["events/default/", { prefix: "events/default/", log: "events" }],
    [
      "widgets.example.com/a/b",
      {
        prefix: "widgets.example.com/a/",
        key: "widgets.example.com/a/b",
        log: "cluster",
      },
    ],
  ])("understand %s", (text, selector) => {
    expect(parseSelector(text, "here")).toEqual(selector);
  });

  it.each(["", "gadgets", "po/a/b/c"])("refuse %j and say what they take", (text) => {
    expect(() => parseSelector(text)).toThrow("It takes a kind");
  });

  it("select by whole segments", () => {
    expect(isSelected(parseSelector("pods/a/"), "pods/a/x")).toBe(true);
    expect(isSelected(parseSelector("pods/a/"), "pods/ab/x")).toBe(false);
    expect(isSelected(parseSelector("pods/a/x"), "pods/a/xy")).toBe(false);
  });
});
