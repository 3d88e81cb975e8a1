import {
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  notFoundValue,
  notSupported,
  required,
  tooLong,
  tooMany,
} from "../field-error.ts";
import { sameMeaning } from "./equal.ts";
import { dnsLabel, dnsSubdomain, inRange, portName, portNumber, qualifiedName } from "./names.ts";

export const IMMUTABLE = "field is immutable";
export const NOT_NEGATIVE = "must be greater than or equal to 0";
export const INT32_MAX = 2 ** 31 - 1;

/** Nobody reads more, and an answer should not become larger than what it answers. */
const FINDINGS_MAX = 1000;

/** What a validation found, in the order in which it looked. Fields are paths: `spec.ports[0]`. */
export class Findings {
  readonly list: FieldError[] = [];

  required(field: string, detail?: string): void {
    this.put(required(field, detail));
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.put(invalidValue(field, value, detail));
  }

  /** One finding per message, e.g. of a format in names.ts. */
  invalidAll(field: string, value: unknown, messages: readonly string[]): void {
    for (const message of messages) this.invalid(field, value, message);
  }

  duplicate(field: string, value: unknown): void {
    this.put(duplicate(field, value));
  }

  forbidden(field: string, detail: string): void {
    this.put(forbiddenField(field, detail));
  }

  notFound(field: string, value: unknown): void {
    this.put(notFoundValue(field, value));
  }

  tooLong(field: string, maxBytes: number): void {
    this.put(tooLong(field, maxBytes));
  }

  tooMany(field: string, actual: number, max: number): void {
    this.put(tooMany(field, actual, max));
  }

  add(errors: readonly FieldError[]): void {
    for (const error of errors) this.put(error);
  }

  private put(error: FieldError): void {
    if (this.list.length < FINDINGS_MAX) this.list.push(error);
  }

  /** The value has to be one of those, which are printed in the given order. */
  oneOf(field: string, value: unknown, supported: readonly string[]): void {
    if (!supported.includes(value as string)) this.put(notSupported(field, value, supported));
  }

  /** As oneOf, but a missing value is a different finding. */
  requiredOneOf(field: string, value: string | undefined, supported: readonly string[]): void {
    if (!value) this.required(field);
    else this.oneOf(field, value, supported);
  }

  notNegative(field: string, value: number | undefined): void {
    if (value !== undefined && value < 0) this.invalid(field, value, NOT_NEGATIVE);
  }

  range(field: string, value: number | undefined, low: number, high: number): void {
    if (value !== undefined) this.invalidAll(field, value, inRange(value, low, high));
  }

  immutable(field: string, value: unknown, old: unknown): void {
    if (!sameMeaning(value, old)) this.invalid(field, value, IMMUTABLE);
  }

  dnsLabel(field: string, value: string): void {
    this.invalidAll(field, value, dnsLabel(value));
  }

  dnsSubdomain(field: string, value: string): void {
    this.invalidAll(field, value, dnsSubdomain(value));
  }

  qualifiedName(field: string, value: string): void {
    this.invalidAll(field, value, qualifiedName(value));
  }

  /** A port by number, or by the name that a container gives it. */
  portNumberOrName(field: string, value: number | string | undefined): void {
    const port = value ?? 0;
    const wrong = typeof port === "number" ? portNumber(port) : portName(port);
    this.invalidAll(field, port, wrong);
  }
}
