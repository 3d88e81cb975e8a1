/**
 * Kubernetes quantities (`500m`, `1.5Gi`, `12e6`), exact: a whole number of billionths. Finer
 * values are rounded away from zero, as Kubernetes does.
 */
export interface Quantity {
  /** The value in billionths. */
  readonly nanos: bigint;
  /** Which suffixes it is written with again. */
  readonly format: QuantityFormat;
}

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

/** The text is no quantity; the message is the one Kubernetes gives. */
export class QuantityError extends Error {}

const SPLIT = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";
const FORMAT_WRONG = `quantities must match the regular expression '${SPLIT}'`;
const NUMERIC_WRONG = "unable to parse numeric part of quantity";
const SUFFIX_WRONG = "unable to parse quantity's suffix";

const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const DECIMAL_SUFFIX = new Map(Object.entries(DECIMAL).map(([text, power]) => [power, text]));
const BINARY_SUFFIX = new Map(Object.entries(BINARY).map(([text, power]) => [power, text]));

const NANO = 1_000_000_000n;
const INT64_MAX = 2n ** 63n - 1n;
const BINARY_MAX = INT64_MAX * NANO;
/** Digits that a number of 64 bits surely holds. */
const INT64_DIGITS = 18;
/** Longer texts and larger exponents are no use to anybody and would cost time. */
const TEXT_MAX = 256;
const EXPONENT_MAX = 1000;

const NUMBER = /^([+-]?)([0-9]*)(?:\.([0-9]*))?/;

interface Parts {
  readonly negative: boolean;
  /** Digits before the point, without leading zeros. */
  readonly whole: string;
  readonly fraction: string;
  readonly format: QuantityFormat;
  readonly exponent: number;
}

function split(text: string): Parts {
  if (!text || text.length > TEXT_MAX) throw new QuantityError(FORMAT_WRONG);
  const match = NUMBER.exec(text) as RegExpExecArray;
  const [number, sign, digits = "", fraction = ""] = match;
  const suffix = text.slice(number.length);
  if (!/^[eEinumkKMGTP]*[-+]?[0-9]*$/.test(suffix)) throw new QuantityError(FORMAT_WRONG);
  if (!digits && !fraction) throw new QuantityError(suffix ? FORMAT_WRONG : NUMERIC_WRONG);
  const whole = digits.replace(/^0+/, "");
  return { negative: sign === "-", whole, fraction, ...suffixOf(suffix) };
}

function suffixOf(suffix: string): { format: QuantityFormat; exponent: number } {
  if (Object.hasOwn(DECIMAL, suffix)) {
    return { format: "DecimalSI", exponent: DECIMAL[suffix] as number };
  }
  if (Object.hasOwn(BINARY, suffix)) {
    return { format: "BinarySI", exponent: BINARY[suffix] as number };
  }
  if (!/^[eE][+-]?[0-9]+$/.test(suffix)) throw new QuantityError(SUFFIX_WRONG);
  const exponent = Number(suffix.slice(1));
  if (exponent > EXPONENT_MAX) throw new QuantityError(SUFFIX_WRONG);
  return { format: "DecimalExponent", exponent: Math.max(exponent, -EXPONENT_MAX) };
}

/** The same few quantities are written in all pods of a cluster. */
const parsed = new Map<string, Quantity>();
const PARSED_MAX = 4096;

/** @throws QuantityError */
export function parseQuantity(given: string | number): Quantity {
  const text = String(given);
  let quantity = parsed.get(text);
  if (quantity === undefined) {
    quantity = Object.freeze(quantityOf(split(text.trim())));
    if (parsed.size >= PARSED_MAX) parsed.clear();
    parsed.set(text, quantity);
  }
  return quantity;
}

function quantityOf(parts: Parts): Quantity {
  const { negative, whole, fraction, exponent } = parts;
  let format = parts.format;
  const mantissa = BigInt(whole + fraction || "0");
  let nanos: bigint;
  if (format === "BinarySI") {
    nanos = divideUp((mantissa << BigInt(exponent)) * NANO, 10n ** BigInt(fraction.length));
    if (nanos > BINARY_MAX) nanos = BINARY_MAX;
    if (nanos > 0n && nanos < NANO) format = "DecimalSI";
  } else {
    const power = exponent - fraction.length + 9;
    nanos =
      power >= 0 ? mantissa * 10n ** BigInt(power) : divideUp(mantissa, 10n ** BigInt(-power));
  }
  return { nanos: negative ? -nanos : nanos, format };
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

/** Whether the text is a quantity; undefined when it is, otherwise what is wrong. */
export function quantityProblem(text: string): string | undefined {
  try {
    split(text.trim());
    return undefined;
  } catch (error) {
    if (error instanceof QuantityError) return error.message;
    throw error;
  }
}

/** The canonical form: no fraction, the largest suffix that keeps it exact. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return "0";
  const negative = nanos < 0n;
  const size = negative ? -nanos : nanos;
  const sign = negative ? "-" : "";
  if (format === "BinarySI" && size >= 1024n * NANO && size % NANO === 0n) {
    let mantissa = size / NANO;
    let power = 0;
    while (power < 60 && mantissa % 1024n === 0n) {
      mantissa /= 1024n;
      power += 10;
    }
    return sign + mantissa + (BINARY_SUFFIX.get(power) ?? "");
  }
  let mantissa = size;
  let power = -9;
  while (mantissa % 1000n === 0n && (power < 18 || format === "DecimalExponent")) {
    mantissa /= 1000n;
    power += 3;
  }
  return sign + mantissa + decimalSuffix(power, format);
}

function decimalSuffix(power: number, format: QuantityFormat): string {
  if (format !== "DecimalExponent") return DECIMAL_SUFFIX.get(power) as string;
  return power === 0 ? "" : `e${power}`;
}

/** Short spellings that are canonical already, which is most of them. */
const COMMON = /^[1-9][0-9]{0,2}([mkMGT]|[KMGT]i)?$/;

/**
 * The form in which a quantity given by a client is stored: canonical, but for spellings that
 * Kubernetes keeps as they are (`100k`, `12E3`, `+5`).
 * @throws QuantityError
 */
export function normalizeQuantity(given: string | number): string {
  if (typeof given === "string" && COMMON.test(given)) return given;
  const text = String(given).trim();
  const parts = split(text);
  return keepsSpelling(parts) ? text : formatQuantity(quantityOf(parts));
}

/** Kubernetes does not spell a number anew that it can read at once and that looks canonical. */
function keepsSpelling({ whole, fraction, format, exponent }: Parts): boolean {
  if (!whole) return false;
  if (format === "BinarySI") {
    const precision = 15 - whole.length - Math.trunc(exponent * 0.3) - 1;
    return !fraction && precision >= 0 && (BigInt(whole) & 7n) !== 0n;
  }
  const digits = whole + fraction;
  const scale = exponent - fraction.length;
  if (digits.length > INT64_DIGITS || scale < -9) return false;
  return scale % 3 === 0 && !digits.endsWith("000");
}

/** Negative: a is less; 0: equal; positive: a is more. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** The sum, in the first one's format (the second's when the first is zero). */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** The difference, in the first one's format (the second's when the first is zero). */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** Times a whole number, e.g. of replicas. */
export function multiplyQuantity({ nanos, format }: Quantity, times: number): Quantity {
  return { nanos: nanos * BigInt(times), format };
}

/** As a floating point number: for scores, figures and limits below 2^53, not for sums. */
export function quantityToNumber({ nanos }: Quantity): number {
  const whole = nanos / NANO;
  return Number(whole) + Number(nanos - whole * NANO) / 1e9;
}

/** In whole units, rounded up, e.g. bytes of memory. */
export function quantityUnits({ nanos }: Quantity): bigint {
  return nanos > 0n ? divideUp(nanos, NANO) : nanos / NANO;
}

/** In thousandths, rounded up: CPU as the scheduler and the kernel count it. */
export function quantityMillis({ nanos }: Quantity): bigint {
  return nanos > 0n ? divideUp(nanos, 1_000_000n) : nanos / 1_000_000n;
}

export const ZERO_QUANTITY: Quantity = { nanos: 0n, format: "DecimalSI" };
