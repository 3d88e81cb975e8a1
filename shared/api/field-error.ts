import { quote } from "./quote.ts";

/** What is wrong with a field; the values are the reasons of a Status' causes. */
export type FieldErrorType =
  | "FieldValueNotFound"
  | "FieldValueRequired"
  | "FieldValueDuplicate"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "InternalError"
  | "FieldValueTypeInvalid";

/** One finding of a validation. `field` is a path as clients print it: `spec.ports[0].name`. */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  /** Shown by the types that show a value. null: none was given. */
  readonly badValue?: unknown;
  readonly detail: string;
}

const WORDS: Readonly<Record<FieldErrorType, string>> = {
  FieldValueNotFound: "Not found",
  FieldValueRequired: "Required value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueInvalid: "Invalid value",
  FieldValueNotSupported: "Unsupported value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  InternalError: "Internal error",
  FieldValueTypeInvalid: "Invalid value",
};

const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set([
  "FieldValueRequired",
  "FieldValueForbidden",
  "FieldValueTooLong",
  "InternalError",
]);

export function required(field: string, detail = ""): FieldError {
  return { type: "FieldValueRequired", field, detail };
}

export function invalidValue(field: string, badValue: unknown, detail: string): FieldError {
  return { type: "FieldValueInvalid", field, badValue: badValue ?? null, detail };
}

/** The value has the wrong type for its field (custom resources). */
export function typeInvalid(field: string, badValue: unknown, detail: string): FieldError {
  return { type: "FieldValueTypeInvalid", field, badValue: badValue ?? null, detail };
}

/** `supported` in the order in which it is to be printed. */
export function notSupported(
  field: string,
  badValue: unknown,
  supported: readonly string[],
): FieldError {
  const detail = supported.length ? `supported values: ${supported.map(quote).join(", ")}` : "";
  return { type: "FieldValueNotSupported", field, badValue: badValue ?? null, detail };
}

export function duplicate(field: string, badValue: unknown): FieldError {
  return { type: "FieldValueDuplicate", field, badValue: badValue ?? null, detail: "" };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { type: "FieldValueForbidden", field, detail };
}

export function notFoundValue(field: string, badValue: unknown): FieldError {
  return { type: "FieldValueNotFound", field, badValue: badValue ?? null, detail: "" };
}

export function tooLong(field: string, maxBytes: number): FieldError {
  const bytes = maxBytes === 1 ? "byte" : "bytes";
  return {
    type: "FieldValueTooLong",
    field,
    detail: `may not be more than ${maxBytes} ${bytes}`,
  };
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  const items = max === 1 ? "item" : "items";
  return {
    type: "FieldValueTooMany",
    field,
    badValue: actual,
    detail: `must have at most ${max} ${items}`,
  };
}

export function internalFieldError(field: string, detail: string): FieldError {
  return { type: "InternalError", field, detail };
}

/** The message of a cause: what is wrong, the value, the detail; without the field's path. */
export function fieldErrorBody(error: FieldError): string {
  const word = WORDS[error.type];
  const value =
    WITHOUT_VALUE.has(error.type) || error.badValue === undefined
      ? ""
      : `: ${printValue(error.badValue)}`;
  return error.detail ? `${word}${value}: ${error.detail}` : `${word}${value}`;
}

/** `spec.containers[0].name: Required value` */
export function fieldErrorMessage(error: FieldError): string {
  return `${error.field}: ${fieldErrorBody(error)}`;
}

/** All messages as one: alone as it is, several in brackets, equal ones once. */
export function fieldErrorsMessage(errors: readonly FieldError[]): string {
  const messages = [...new Set(errors.map(fieldErrorMessage))];
  return messages.length === 1 ? (messages[0] as string) : `[${messages.join(", ")}]`;
}

function printValue(value: unknown): string {
  if (value === null) return '"null"';
  if (typeof value === "string") return quote(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
