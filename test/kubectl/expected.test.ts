import { expect, test } from "vitest";
import { difference } from "./expected.ts";

test.each([
  ["the same text", "a b\nc", "a   b\nc\n", true],
  ["another word", "a b", "a c", false],
  ["any word", "NAME AGE\na <*>", "NAME   AGE\na      5s\n", true],
  ["a word where none is", "a <*>", "a\n", false],
  ["the rest of a line", "a: <**>", "a: b c d", true],
  ["lines between", "first\n...\nlast", "first\nx\ny\nlast", true],
  ["no lines between", "first\n...\nlast", "first\nlast", true],
  ["a line too many", "first", "first\nsecond", false],
  ["another indentation", "a:\n  b", "a:\nb", false],
  ["dots that are dots", "a.b", "axb", false],
  ["nothing", "", "", true],
  ["something instead of nothing", "", "a", false],
])("%s", (_title, expected, actual, same) => {
  expect(difference(expected, actual) === undefined).toBe(same);
});
