import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  multiplyQuantity,
  normalizeQuantity,
  parseQuantity,
  quantityMillis,
  quantityProblem,
  quantityToNumber,
  quantityUnits,
  subtractQuantities,
} from "../../shared/api/quantity.ts";

describe("canonical form", () => {
  test.each([
    ["0", "0"],
    ["0Ki", "0"],
    ["00.0", "0"],
    ["1", "1"],
    ["1000", "1k"],
    ["1500m", "1500m"],
    ["1.5", "1500m"],
    ["0.5", "500m"],
    [".5", "500m"],
    ["1.", "1"],
    ["1.5Gi", "1536Mi"],
    ["1024Ki", "1Mi"],
    ["1023Ki", "1023Ki"],
    ["0.5Ki", "512"],
    ["0.5Mi", "512Ki"],
    ["0.1Ki", "102400m"],
    ["1025", "1025"],
    ["100e3", "100e3"],
    ["1000e3", "1e6"],
    ["12E6", "12e6"],
    ["1e-3", "1e-3"],
    ["1E", "1E"],
    ["0.1m", "100u"],
    ["0.1n", "1n"],
    ["-1.5", "-1500m"],
    ["-1Ki", "-1Ki"],
    ["+5", "5"],
    ["8Ei", "9223372036854775807"],
    ["9223372036854775808", "9223372036854775808"],
    ["123456789012345678901234567890", "123456789012345678901234567890"],
  ])("%s is %s", (given, expected) => {
    expect(formatQuantity(parseQuantity(given))).toBe(expected);
  });

  test.each(["100k", "12E6", "+5", "1025Ki", "1500m"])("%s is stored as it is spelled", (text) => {
    expect(normalizeQuantity(text)).toBe(text);
  });
});

describe("what is no quantity", () => {
  const format =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const suffix = "unable to parse quantity's suffix";
  test.each([
    ["", format],
    ["x", format],
    ["1 k", format],
    ["1.1.M", format],
    ["1+1.0M", format],
    ["0.1mi", suffix],
    ["1i", suffix],
    ["1e", suffix],
    ["-3.01e-", suffix],
    ["1ki", suffix],
    ["1K", suffix],
    ["1e99999999999", suffix],
  ])("%j", (text, message) => {
    expect(quantityProblem(text)).toBe(message);
    expect(() => parseQuantity(text)).toThrow(message);
  });
});

describe("arithmetic", () => {
  const digits = fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n });
  const suffix = fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2");
  const text = fc.tuple(digits, suffix).map(([number, unit]) => number + unit);
  const quantity = text.map(parseQuantity);

  test("parsing what was printed changes nothing", () => {
    fc.assert(
      fc.property(quantity, (given) => {
        const printed = formatQuantity(given);
        expect(parseQuantity(printed).nanos).toBe(given.nanos);
        expect(formatQuantity(parseQuantity(printed))).toBe(printed);
      }),
    );
  });

  test("the stored spelling has the same value", () => {
    fc.assert(
      fc.property(text, (given) => {
        expect(parseQuantity(normalizeQuantity(given)).nanos).toBe(parseQuantity(given).nanos);
        expect(normalizeQuantity(normalizeQuantity(given))).toBe(normalizeQuantity(given));
      }),
    );
  });

  test("short spellings are canonical", () => {
    const short = fc.tuple(
      fc.integer({ min: 1, max: 999 }),
      fc.constantFrom("", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"),
    );
    fc.assert(
      fc.property(short, ([number, unit]) => {
        const given = number + unit;
        expect(normalizeQuantity(given)).toBe(given);
        expect(formatQuantity(parseQuantity(given))).toBe(given);
      }),
    );
  });

  test("sums and differences are exact", () => {
    fc.assert(
      fc.property(quantity, quantity, (a, b) => {
        expect(subtractQuantities(addQuantities(a, b), b).nanos).toBe(a.nanos);
        expect(compareQuantities(addQuantities(a, b), addQuantities(b, a))).toBe(0);
        expect(multiplyQuantity(a, 3).nanos).toBe(addQuantities(a, addQuantities(a, a)).nanos);
      }),
    );
  });

  test("as other numbers", () => {
    expect(quantityToNumber(parseQuantity("1500m"))).toBe(1.5);
    expect(quantityUnits(parseQuantity("1500m"))).toBe(2n);
    expect(quantityMillis(parseQuantity("100u"))).toBe(1n);
    expect(quantityMillis(parseQuantity("2"))).toBe(2000n);
  });
});
