import { badRequest } from "./errors.ts";
import type { FieldError } from "./field-error.ts";
import { fieldErrorMessage, fieldErrorsMessage, invalidValue } from "./field-error.ts";
import { labelValue, qualifiedName } from "./validation/names.ts";

export { type FieldMatcher, type FieldRequirement, parseFieldSelector } from "./field-selectors.ts";

export type LabelOperator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** One condition of a selector. `values` is sorted and holds each value once. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

type Labels = Readonly<Record<string, string>> | undefined;

/** A parsed label selector: all requirements must hold. */
export class LabelMatcher {
  /** Sorted by key. */
  readonly requirements: readonly LabelRequirement[];
  /** Selects nothing at all: what an absent selector of an object means. */
  readonly nothing: boolean;

  constructor(requirements: readonly LabelRequirement[], nothing = false) {
    this.requirements = [...requirements].sort((a, b) => (a.key < b.key ? -1 : +(a.key > b.key)));
    this.nothing = nothing;
  }

  /** True: selects everything. */
  get empty(): boolean {
    return !this.nothing && this.requirements.length === 0;
  }

  matchesLabels(labels: Labels): boolean {
    if (this.nothing) return false;
    for (const requirement of this.requirements) {
      if (!meets(requirement, labels)) return false;
    }
    return true;
  }

  matches(object: { readonly metadata?: { readonly labels?: Labels } }): boolean {
    return this.matchesLabels(object.metadata?.labels);
  }

  /** Pairs that every selected object has: what an index can answer. */
  get exactLabels(): Readonly<Record<string, string>> {
    const exact: Record<string, string> = {};
    for (const { key, operator, values } of this.requirements) {
      const single = operator === "=" || operator === "==" || operator === "in";
      if (single && values.length === 1) exact[key] = values[0] as string;
    }
    return exact;
  }

  toString(): string {
    return this.requirements.map(printRequirement).join(",");
  }
}

export const EVERYTHING = new LabelMatcher([]);
export const NOTHING = new LabelMatcher([], true);

function printRequirement({ key, operator, values }: LabelRequirement): string {
  const list = values.join(",");
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${list})`;
    case "gt":
      return `${key}>${list}`;
    case "lt":
      return `${key}<${list}`;
    default:
      return `${key}${operator}${list}`;
  }
}

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const has = labels !== undefined && Object.hasOwn(labels, key);
  const value = has ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return has;
    case "!":
      return !has;
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value);
    case "gt":
    case "lt":
      return value !== undefined && compares(operator, value, values[0] as string);
    default:
      return value !== undefined && values.includes(value);
  }
}

function compares(operator: "gt" | "lt", value: string, limit: string): boolean {
  if (!isInteger(value)) return false;
  return operator === "gt" ? BigInt(value) > BigInt(limit) : BigInt(value) < BigInt(limit);
}

const INT64_MAX = 2n ** 63n - 1n;

/** A whole number of 64 bits, as the Gt and Lt operators take it. */
function isInteger(text: string): boolean {
  if (!/^[+-]?[0-9]{1,25}$/.test(text)) return false;
  const value = BigInt(text.replace("+", ""));
  return value <= INT64_MAX && value >= -INT64_MAX - 1n;
}

/**
 * Parses the text form: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. "" selects everything.
 * @throws StatusError BadRequest
 */
export function parseLabelSelector(text: string): LabelMatcher {
  if (text === "") return EVERYTHING;
  const parser = new Parser(text);
  try {
    return new LabelMatcher(parser.parse());
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

class SelectorError extends Error {}

const WORD_END = /[=!(),<>\s]/;
const SYMBOLS = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
const OPERATORS: Readonly<Record<string, LabelOperator>> = {
  "=": "=",
  "==": "==",
  "!=": "!=",
  in: "in",
  notin: "notin",
  ">": "gt",
  "<": "lt",
};

/** `word`: an identifier or keyword; `end`: after the last one. */
interface Token {
  readonly type: "word" | "symbol" | "end";
  readonly text: string;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at] as string;
    if (/[ \t\r\n]/.test(character)) {
      at++;
      continue;
    }
    const symbol = SYMBOLS.find((candidate) => text.startsWith(candidate, at));
    if (symbol) {
      tokens.push({ type: "symbol", text: symbol });
      at += symbol.length;
      continue;
    }
    let end = at + 1;
    while (end < text.length && !WORD_END.test(text[end] as string)) end++;
    tokens.push({ type: "word", text: text.slice(at, end) });
    at = end;
  }
  tokens.push({ type: "end", text: "" });
  return tokens;
}

/** Recursive descent over the tokens, with the messages that Kubernetes gives. */
class Parser {
  private readonly tokens: readonly Token[];
  private position = 0;

  constructor(text: string) {
    this.tokens = tokenize(text);
  }

  private peek(): Token {
    return this.tokens[this.position] as Token;
  }

  private next(): Token {
    return this.tokens[this.position++] as Token;
  }

  private peeksSymbol(symbol: string): boolean {
    const token = this.peek();
    return token.type === "symbol" && token.text === symbol;
  }

  private startsRequirement(): boolean {
    return this.peek().type === "word" || this.peeksSymbol("!");
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    if (this.peek().type === "end") return requirements;
    if (!this.startsRequirement()) {
      const found = this.peek().text;
      throw new SelectorError(`found '${found}', expected: !, identifier, or 'end of string'`);
    }
    for (;;) {
      requirements.push(this.requirement());
      const after = this.next();
      if (after.type === "end") return requirements;
      if (after.type !== "symbol" || after.text !== ",") {
        throw new SelectorError(`found '${after.text}', expected: ',' or 'end of string'`);
      }
      if (!this.startsRequirement()) {
        throw new SelectorError(`found '${this.peek().text}', expected: identifier after ','`);
      }
    }
  }

  private requirement(): LabelRequirement {
    try {
      return this.parseRequirement();
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      throw new SelectorError(`unable to parse requirement: ${error.message}`);
    }
  }

  private parseRequirement(): LabelRequirement {
    const negated = this.peeksSymbol("!");
    if (negated) this.position++;
    const key = this.next();
    if (key.type !== "word") {
      throw new SelectorError(`found '${key.text}', expected: identifier`);
    }
    const wrong = qualifiedName(key.text);
    if (wrong.length) {
      const error = invalidValue("<nil>", key.text, wrong.join("; "));
      throw new SelectorError(fieldErrorMessage(error));
    }
    if (this.peek().type === "end" || this.peeksSymbol(",")) {
      return { key: key.text, operator: negated ? "!" : "exists", values: [] };
    }
    const token = this.next();
    const operator = Object.hasOwn(OPERATORS, token.text) ? OPERATORS[token.text] : undefined;
    if (!operator) {
      const expected = "in, notin, =, ==, !=, gt, lt";
      throw new SelectorError(`found '${token.text}', expected: ${expected}`);
    }
    const values = operator === "in" || operator === "notin" ? this.valueSet() : this.oneValue();
    return requirementOf(key.text, operator, values);
  }

  private oneValue(): string[] {
    if (this.peek().type === "end" || this.peeksSymbol(",")) return [""];
    const token = this.next();
    if (token.type === "word") return [token.text];
    throw new SelectorError(`found '${token.text}', expected: identifier`);
  }

  private valueSet(): string[] {
    const open = this.next();
    if (open.type !== "symbol" || open.text !== "(") {
      throw new SelectorError(`found '${open.text}' expected: '('`);
    }
    const values: string[] = [];
    let first = true;
    for (;;) {
      const token = this.next();
      if (token.type === "word") {
        values.push(token.text);
        const after = this.next();
        if (after.type === "symbol" && after.text === ")") return values;
        if (after.type === "symbol" && after.text === ",") {
          first = false;
          if (this.peeksSymbol(")")) values.push("");
          continue;
        }
        throw new SelectorError(`found '${after.text}', expected: ',' or ')'`);
      }
      if (token.type === "symbol" && token.text === ",") values.push("");
      else if (token.type === "symbol" && token.text === ")") return values.length ? values : [""];
      else if (first) {
        throw new SelectorError(`found '${token.text}', expected: ',', ')' or identifier`);
      } else throw new SelectorError(`found '${token.text}', expected: ',', or identifier`);
      first = false;
    }
  }
}

/** Checks values against their operator; the selector's text form. */
function requirementOf(
  key: string,
  operator: LabelOperator,
  given: readonly string[],
): LabelRequirement {
  const values = [...new Set(given)].sort();
  const errors: FieldError[] = [];
  if (operator === "gt" || operator === "lt") {
    if (!isInteger(values[0] as string)) {
      const detail = "for 'Gt', 'Lt' operators, the value must be an integer";
      errors.push(invalidValue("values[0]", values[0], detail));
    }
  }
  values.forEach((value, index) => {
    const wrong = labelValue(value);
    if (!wrong.length) return;
    errors.push(invalidValue(`values[${index}][${key}]`, value, wrong.join("; ")));
  });
  if (errors.length) throw new SelectorError(fieldErrorsMessage(errors));
  return { key, operator, values };
}

/** A LabelSelector of an object. */
export interface LabelSelectorLike {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

const EXPRESSION_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/**
 * The matcher of an object's selector. Absent: selects nothing; `{}`: everything. The selector was
 * validated when its object was written: an unknown operator selects nothing.
 */
export function labelSelectorOf(selector: LabelSelectorLike | undefined | null): LabelMatcher {
  if (!selector) return NOTHING;
  const requirements: LabelRequirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    requirements.push({ key, operator: "=", values: [value] });
  }
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = EXPRESSION_OPERATORS[operator];
    if (!known) return NOTHING;
    requirements.push({ key, operator: known, values: [...new Set(values ?? [])].sort() });
  }
  return new LabelMatcher(requirements);
}

/** The matcher of a plain map (a Service's selector). Absent or empty: selects nothing. */
export function labelSetOf(labels: Readonly<Record<string, string>> | undefined): LabelMatcher {
  const pairs = Object.entries(labels ?? {});
  if (!pairs.length) return NOTHING;
  return new LabelMatcher(pairs.map(([key, value]) => ({ key, operator: "=", values: [value] })));
}
