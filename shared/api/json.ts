/**
 * A JSON reader for documents in which something is to be found out that JSON.parse does not tell:
 * repeated keys, their order, the spelling of numbers, and the place of a syntax error in the words
 * that Kubernetes' clients know. The hot path is JSON.parse.
 */

/** An object with its keys in document order, repeated ones too. */
export class JsonObject {
  readonly entries: (readonly [string, JsonValue])[] = [];
}

/** A number and how it was written. */
export class JsonNumber {
  readonly value: number;
  readonly text: string;
  constructor(value: number, text: string) {
    this.value = value;
    this.text = text;
  }
}

export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

export class JsonSyntaxError extends Error {}

/** Nesting that a document may have. */
export const DEPTH_MAX = 1000;

const END = "unexpected end of JSON input";
const TOO_DEEP = "exceeded max depth";

/** @throws JsonSyntaxError */
export function parseJson(text: string): JsonValue {
  const reader = new Reader(text);
  reader.skip();
  const value = reader.value(0);
  reader.skip();
  if (!reader.atEnd()) throw reader.unexpected("after top-level value");
  return value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  skip(): void {
    while (/[ \t\r\n]/.test(this.text[this.at] ?? "x")) this.at++;
  }

  unexpected(where: string): JsonSyntaxError {
    if (this.atEnd()) return new JsonSyntaxError(END);
    const character = String.fromCodePoint(this.text.codePointAt(this.at) as number);
    return new JsonSyntaxError(`invalid character ${printCharacter(character)} ${where}`);
  }

  value(depth: number): JsonValue {
    if (depth > DEPTH_MAX) throw new JsonSyntaxError(TOO_DEEP);
    const character = this.text[this.at];
    switch (character) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.literal("true", true);
      case "f":
        return this.literal("false", false);
      case "n":
        return this.literal("null", null);
      default:
        if (character !== undefined && /[-0-9]/.test(character)) return this.number();
        throw this.unexpected("looking for beginning of value");
    }
  }

  private object(depth: number): JsonObject {
    const object = new JsonObject();
    this.at++;
    this.skip();
    if (this.text[this.at] === "}") {
      this.at++;
      return object;
    }
    for (;;) {
      if (this.text[this.at] !== '"') {
        throw this.unexpected("looking for beginning of object key string");
      }
      const key = this.string();
      this.skip();
      if (this.text[this.at] !== ":") throw this.unexpected("after object key");
      this.at++;
      this.skip();
      object.entries.push([key, this.value(depth + 1)]);
      this.skip();
      const end = this.text[this.at];
      if (end !== "," && end !== "}") throw this.unexpected("after object key:value pair");
      this.at++;
      if (end === "}") return object;
      this.skip();
    }
  }

  private array(depth: number): JsonValue[] {
    const values: JsonValue[] = [];
    this.at++;
    this.skip();
    if (this.text[this.at] === "]") {
      this.at++;
      return values;
    }
    for (;;) {
      values.push(this.value(depth + 1));
      this.skip();
      const end = this.text[this.at];
      if (end !== "," && end !== "]") throw this.unexpected("after array element");
      this.at++;
      if (end === "]") return values;
      this.skip();
    }
  }

  private string(): string {
    let value = "";
    this.at++;
    for (;;) {
      const from = this.at;
      while (isPlain(this.text.charCodeAt(this.at))) this.at++;
      value += this.text.slice(from, this.at);
      const character = this.text[this.at];
      if (character === '"') {
        this.at++;
        return value;
      }
      if (character !== "\\") throw this.unexpected("in string literal");
      this.at++;
      value += this.escape();
    }
  }

  private escape(): string {
    const character = this.text[this.at];
    const plain = character === undefined ? undefined : ESCAPES[character];
    if (plain !== undefined) {
      this.at++;
      return plain;
    }
    if (character !== "u") throw this.unexpected("in string escape code");
    this.at++;
    const from = this.at;
    for (let digit = 0; digit < 4; digit++) {
      if (!/[0-9a-fA-F]/.test(this.text[this.at] ?? "")) {
        throw this.unexpected("in \\u hexadecimal character escape");
      }
      this.at++;
    }
    return String.fromCharCode(Number.parseInt(this.text.slice(from, this.at), 16));
  }

  private literal<T>(word: string, value: T): T {
    for (const expected of word) {
      if (this.text[this.at] !== expected) {
        throw this.unexpected(`in literal ${word} (expecting '${expected}')`);
      }
      this.at++;
    }
    return value;
  }

  private number(): JsonNumber {
    const from = this.at;
    if (this.text[this.at] === "-") this.at++;
    if (this.text[this.at] === "0") this.at++;
    else this.digits("in numeric literal");
    if (this.text[this.at] === ".") {
      this.at++;
      this.digits("after decimal point in numeric literal");
    }
    if (/[eE]/.test(this.text[this.at] ?? "")) {
      this.at++;
      if (/[-+]/.test(this.text[this.at] ?? "")) this.at++;
      this.digits("in exponent of numeric literal");
    }
    const text = this.text.slice(from, this.at);
    return new JsonNumber(Number(text), text);
  }

  private digits(where: string): void {
    const from = this.at;
    while (/[0-9]/.test(this.text[this.at] ?? "")) this.at++;
    if (this.at === from) throw this.unexpected(where);
  }
}

/** Neither a quote, a backslash, a control character nor the end (NaN). */
function isPlain(code: number): boolean {
  return code >= 0x20 && code !== 0x22 && code !== 0x5c;
}

function printCharacter(character: string): string {
  if (character === "'") return "'\\''";
  if (character === '"') return "'\"'";
  const code = character.codePointAt(0) as number;
  if (code >= 0x20 && code !== 0x7f) return `'${character === "\\" ? "\\\\" : character}'`;
  const names: Readonly<Record<number, string>> = { 7: "a", 8: "b", 9: "t", 10: "n", 11: "v" };
  const short = names[code] ?? { 12: "f", 13: "r" }[code];
  return short ? `'\\${short}'` : `'\\x${code.toString(16).padStart(2, "0")}'`;
}

/** The plain value, as JSON.parse gives it. */
export function plainValue(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return value.value;
  if (value instanceof JsonObject) {
    return Object.fromEntries(value.entries.map(([key, member]) => [key, plainValue(member)]));
  }
  return Array.isArray(value) ? value.map(plainValue) : value;
}

/** The opposite: for documents that did not come as JSON text. */
export function jsonValueOf(value: unknown): JsonValue {
  if (typeof value === "number") return new JsonNumber(value, String(value));
  if (typeof value === "bigint") return new JsonNumber(Number(value), String(value));
  if (Array.isArray(value)) return value.map(jsonValueOf);
  if (typeof value === "object" && value !== null) {
    const object = new JsonObject();
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) object.entries.push([key, jsonValueOf(member)]);
    }
    return object;
  }
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

/** How many keys a JSON text holds, repeated ones included, and how deep it is nested. */
export interface JsonShape {
  readonly keys: number;
  readonly depth: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** One pass over the bytes of valid JSON: a repeated key shows as more keys than were parsed. */
export function jsonShape(bytes: Uint8Array): JsonShape {
  let keys = 0;
  let depth = 0;
  let deepest = 0;
  const length = bytes.length;
  for (let at = 0; at < length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      for (at++; at < length; at++) {
        const inner = bytes[at] as number;
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) at++;
      }
    } else if (byte === COLON) keys++;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > deepest) deepest = depth;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return { keys, depth: deepest };
}
