import { normalizeQuantity, QuantityError } from "./quantity.ts";
import { quote } from "./quote.ts";

/** A scalar is not of its format; the message is the one Kubernetes gives. */
export class ScalarError extends Error {}

const CANONICAL_TIME = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d/;
const SECONDS_LAYOUT = "2006-01-02T15:04:05Z07:00";
const MICROS_LAYOUT = "2006-01-02T15:04:05.000000Z07:00";

/**
 * A time as it is stored: UTC, whole seconds.
 * @throws ScalarError
 */
export function normalizeTime(text: string): string {
  if (text.length === 20 && text[19] === "Z" && CANONICAL_TIME.test(text)) return text;
  const milliseconds = parseTime(text, false).milliseconds;
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * A time with microseconds as it is stored: UTC, six digits.
 * @throws ScalarError
 */
export function normalizeMicroTime(text: string): string {
  if (text.length === 27 && text[26] === "Z" && text[19] === "." && CANONICAL_TIME.test(text)) {
    if (/^\d{6}$/.test(text.slice(20, 26))) return text;
  }
  const { milliseconds, micros } = parseTime(text, true);
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, `.${micros}Z`);
}

const STEPS: readonly (readonly [string, RegExp])[] = [
  ["2006", /^\d{4}/],
  ["-", /^-/],
  ["01", /^\d\d/],
  ["-", /^-/],
  ["02", /^\d\d/],
  ["T", /^T/],
  ["15", /^\d\d/],
  [":", /^:/],
  ["04", /^\d\d/],
  [":", /^:/],
  ["05", /^\d\d/],
];

interface ParsedTime {
  readonly milliseconds: number;
  readonly micros: string;
}

function parseTime(text: string, withMicros: boolean): ParsedTime {
  const layout = withMicros ? MICROS_LAYOUT : SECONDS_LAYOUT;
  const parts: string[] = [];
  let rest = text;
  const take = (name: string, pattern: RegExp): void => {
    const match = pattern.exec(rest);
    if (!match) {
      const what = `cannot parse ${quote(rest)} as ${quote(name)}`;
      throw new ScalarError(`parsing time ${quote(text)} as ${quote(layout)}: ${what}`);
    }
    parts.push(match[0]);
    rest = rest.slice(match[0].length);
  };
  for (const [name, pattern] of STEPS) take(name, pattern);
  if (withMicros) take(".000000", /^\.\d{6}(?!\d)/);
  else take("", /^(\.\d+)?/);
  take("Z07:00", /^(Z|[+-]\d\d:\d\d)/);
  if (rest) throw new ScalarError(`parsing time ${quote(text)}: extra text: ${quote(rest)}`);
  const [year, , month, , day, , hour, , minute, , second, fraction, zone] = parts as string[];
  const numbers = [year, month, day, hour, minute, second].map(Number) as NumericTime;
  const wrong = outOfRange(numbers);
  if (wrong) throw new ScalarError(`parsing time ${quote(text)}: ${wrong} out of range`);
  const [years, months, ...others] = numbers;
  const micros = withMicros ? (fraction as string).slice(1) : "000000";
  const milliseconds = Date.UTC(years, months - 1, ...others) - zoneMilliseconds(zone as string);
  return { milliseconds, micros };
}

type NumericTime = [number, number, number, number, number, number];

function outOfRange([year, month, day, hour, minute, second]: NumericTime): string | undefined {
  if (month < 1 || month > 12) return "month";
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return "day";
  if (hour > 23) return "hour";
  if (minute > 59) return "minute";
  return second > 59 ? "second" : undefined;
}

function zoneMilliseconds(zone: string): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Base64 as it is stored: without line breaks.
 * @throws ScalarError
 */
export function normalizeBase64(text: string): string {
  if (BASE64.test(text)) return text;
  const at = base64Problem(text);
  if (at !== undefined) throw new ScalarError(`illegal base64 data at input byte ${at}`);
  return text.replace(/[\r\n]/g, "");
}

/** The byte at which the text stops being base64; line breaks do not matter. */
function base64Problem(text: string): number | undefined {
  let inQuantum = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === "\r" || character === "\n") continue;
    if (character === "=") return paddingProblem(text, at, inQuantum);
    if (!/[A-Za-z0-9+/]/.test(character)) return Buffer.byteLength(text.slice(0, at));
    inQuantum = (inQuantum + 1) % 4;
  }
  return inQuantum === 0 ? undefined : text.length - inQuantum;
}

function paddingProblem(text: string, at: number, inQuantum: number): number | undefined {
  if (inQuantum < 2) return at;
  const rest = text.slice(at);
  const expected = inQuantum === 2 ? /^=[\r\n]*=[\r\n]*/ : /^=[\r\n]*/;
  const match = expected.exec(rest);
  if (!match) return rest.replace(/^=[\r\n]*/, "") === "" ? text.length : at;
  return match[0].length === rest.length ? undefined : at + match[0].length;
}

/**
 * A quantity as it is stored.
 * @throws ScalarError
 */
export function storedQuantity(value: string | number): string {
  try {
    return normalizeQuantity(value);
  } catch (error) {
    if (error instanceof QuantityError) throw new ScalarError(error.message);
    throw error;
  }
}
