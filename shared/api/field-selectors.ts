import { badRequest } from "./errors.ts";
import type { Parts } from "./parts.ts";
import { quote } from "./quote.ts";
import type { KindTable, Schema } from "./schema.ts";

/** One condition on a field. `field` is the selector's name for it, e.g. `spec.nodeName`. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

interface Term extends FieldRequirement {
  readonly read: (stored: Parts) => string;
}

/** A parsed field selector: all requirements must hold on the stored object. */
export class FieldMatcher {
  private readonly terms: readonly Term[];

  constructor(terms: readonly Term[]) {
    this.terms = terms;
  }

  get requirements(): readonly FieldRequirement[] {
    return this.terms;
  }

  /** True: selects everything. */
  get empty(): boolean {
    return this.terms.length === 0;
  }

  matches(stored: Parts): boolean {
    for (const { operator, value, read } of this.terms) {
      if ((read(stored) === value) !== (operator === "=")) return false;
    }
    return true;
  }

  /** The value that the field must have, where the selector says so: what an index can answer. */
  exact(field: string): string | undefined {
    return this.terms.find((term) => term.field === field && term.operator === "=")?.value;
  }

  toString(): string {
    return this.terms.map(({ field, operator, value }) => field + operator + value).join(",");
  }
}

type Selectable = Pick<
  KindTable,
  "group" | "kind" | "namespaced" | "fieldSelectors" | "schema" | "storedAs"
>;

/**
 * Parses `metadata.name=a,status.phase!=Running` for objects of the kind. "" selects everything.
 * @throws StatusError BadRequest, also for a field that the kind cannot be selected by
 */
export function parseFieldSelector(text: string, table: Selectable): FieldMatcher {
  const terms: Term[] = [];
  for (const part of text.split(",").sort()) {
    if (part === "") continue;
    const term = parseTerm(part);
    if (!term) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const field = selectableField(term.field, table);
    terms.push({ ...term, field, read: reader(field, table) });
  }
  return new FieldMatcher(terms);
}

function parseTerm(part: string): FieldRequirement | undefined {
  for (const separator of ["!=", "==", "="]) {
    const pieces = part.split(separator);
    if (pieces.length !== 2) continue;
    const [field, value] = pieces as [string, string];
    return { field, operator: separator === "!=" ? "!=" : "=", value };
  }
  return undefined;
}

/** Names that old clients use. */
const ALIASES: Readonly<Record<string, string>> = { "spec.host": "spec.nodeName" };

function selectableField(name: string, table: Selectable): string {
  const field = table.kind === "Pod" ? (ALIASES[name] ?? name) : name;
  if (field === "metadata.name" || table.fieldSelectors.includes(field)) return field;
  if (field === "metadata.namespace" && table.namespaced) return field;
  if (table.fieldSelectors.length) throw badRequest(`field label not supported: ${field}`);
  const known = 'only "metadata.name", "metadata.namespace"';
  throw badRequest(`${quote(field)} is not a known field selector: ${known}`);
}

/** Where events.k8s.io/v1 names a field otherwise than the core Event that is stored. */
const EVENT_FIELDS: readonly (readonly [RegExp, string])[] = [
  [/^regarding\./, "involvedObject."],
  [/^reportingController$/, "reportingComponent"],
];

function reader(field: string, table: Selectable): (stored: Parts) => string {
  if (table.kind === "Event" && field === "source") return readEventSource;
  let path = field;
  if (table.storedAs) {
    for (const [from, to] of EVENT_FIELDS) path = path.replace(from, to);
  }
  const [name = "", member] = path.split(".");
  const absent = schemaAt(table.schema, field.split("."))?.type === "boolean" ? "false" : "";
  return (stored) => {
    const value = stored.part(name, member);
    if (value === undefined || value === null) return absent;
    return typeof value === "object" ? "" : String(value);
  };
}

function readEventSource(stored: Parts): string {
  const source = stored.part("source", "component") || stored.part("reportingComponent") || "";
  return String(source);
}

function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const step of path) at = at?.type === "object" ? at.properties[step]?.schema : undefined;
  return at;
}
