/**
 * Formats of names and small values. Each function answers what is wrong in Kubernetes' words; an
 * empty list: nothing.
 */

const DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`;
const DNS_1035_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${LABEL_NAME})?`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";
const ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*";
const PERCENT = "[0-9]+%";
const HEADER_NAME = "[-A-Za-z0-9]+";
const C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*";
const SUBDOMAIN_UNDERSCORE_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_UNDERSCORE = `${SUBDOMAIN_UNDERSCORE_LABEL}(\\.${SUBDOMAIN_UNDERSCORE_LABEL})*`;

const ALPHANUMERIC_ENDS = "must start and end with an alphanumeric character";

/** A pattern, what is said when it is not met, and how long the value may be. */
interface Format {
  readonly pattern: RegExp;
  readonly source: string;
  readonly words: string;
  readonly examples: readonly string[];
  readonly max?: number;
}

function format(source: string, words: string, examples: readonly string[], max?: number): Format {
  const pattern = new RegExp(`^(?:${source})$`);
  return max === undefined
    ? { pattern, source, words, examples }
    : { pattern, source, words, examples, max };
}

const FORMATS = {
  label: format(
    DNS_LABEL,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
      `and ${ALPHANUMERIC_ENDS}`,
    ["my-name", "123-abc"],
    63,
  ),
  subdomain: format(
    DNS_SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, " +
      `'-' or '.', and ${ALPHANUMERIC_ENDS}`,
    ["example.com"],
    253,
  ),
  subdomainWithUnderscore: format(
    SUBDOMAIN_UNDERSCORE,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, " +
      `'_', '-' or '.', and ${ALPHANUMERIC_ENDS}`,
    ["example.com"],
    253,
  ),
  label1035: format(
    DNS_1035_LABEL,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
      "start with an alphabetic character, and end with an alphanumeric character",
    ["my-name", "abc-123"],
    63,
  ),
  wildcard: format(
    `\\*\\.${DNS_SUBDOMAIN}`,
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, " +
      "which must consist of lower case alphanumeric characters, '-' or '.' and end with an " +
      "alphanumeric character",
    ["*.example.com"],
    253,
  ),
  labelName: format(
    LABEL_NAME,
    `must consist of alphanumeric characters, '-', '_' or '.', and ${ALPHANUMERIC_ENDS}`,
    ["MyName", "my.name", "123-abc"],
  ),
  labelValue: format(
    LABEL_VALUE,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' " +
      `or '.', and ${ALPHANUMERIC_ENDS}`,
    ["MyValue", "my_value", "12345"],
    63,
  ),
  configKey: format(
    CONFIG_KEY,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ["key.name", "KEY_NAME", "key-name"],
    253,
  ),
  envName: format(
    ENV_NAME,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', " +
      "'-', or '.', and must not start with a digit",
    ["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
  ),
  percent: format(
    PERCENT,
    "a valid percent string must be a numeric string followed by an ending '%'",
    ["1%", "93%"],
  ),
  headerName: format(
    HEADER_NAME,
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    ["X-Header-Name"],
  ),
  cIdentifier: format(
    C_IDENTIFIER,
    "a valid C identifier must start with alphabetic character or '_', followed by a string of " +
      "alphanumeric characters or '_'",
    ["my_name", "MY_NAME", "MyName"],
  ),
} satisfies Record<string, Format>;

export function maxLengthMessage(max: number): string {
  return `must be no more than ${max} characters`;
}

export function rangeMessage(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** What is said of a value that does not match: the rule, examples, and the expression. */
export function patternMessage(
  words: string,
  source: string,
  examples: readonly string[] = [],
): string {
  if (!examples.length) return `${words} (regex used for validation is '${source}')`;
  const shown = examples.map((example) => `'${example}', `).join(" or ");
  return `${words} (e.g. ${shown}regex used for validation is '${source}')`;
}

function mismatch(format: Format): string {
  return patternMessage(format.words, format.source, format.examples);
}

/** Nothing is wrong. */
const NONE: readonly string[] = Object.freeze([]);

function check(format: Format, value: string): readonly string[] {
  const { max, pattern } = format;
  const long = max !== undefined && isLonger(value, max);
  if (pattern.test(value)) return long ? [maxLengthMessage(max)] : NONE;
  return long ? [maxLengthMessage(max), mismatch(format)] : [mismatch(format)];
}

/** A character takes three bytes at most (one of two code units four). */
function isLonger(value: string, maxBytes: number): boolean {
  return value.length * 3 > maxBytes && byteLength(value) > maxBytes;
}

/** Lengths are limits on bytes; most values are ASCII, and a long one is refused either way. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

export function dnsLabel(value: string): readonly string[] {
  const errors = isLonger(value, 63) ? [maxLengthMessage(63)] : [];
  if (FORMATS.label.pattern.test(value)) return errors;
  const onlyDots = FORMATS.subdomain.pattern.test(value);
  errors.push(onlyDots ? "must not contain dots" : mismatch(FORMATS.label));
  return errors;
}

export function dnsSubdomain(value: string): readonly string[] {
  return check(FORMATS.subdomain, value);
}

export function dnsSubdomainWithUnderscore(value: string): readonly string[] {
  return check(FORMATS.subdomainWithUnderscore, value);
}

export function dns1035Label(value: string): readonly string[] {
  return check(FORMATS.label1035, value);
}

export function wildcardSubdomain(value: string): readonly string[] {
  return check(FORMATS.wildcard, value);
}

/** `name` or `prefix/name`: label and annotation keys, finalizers, resource and taint names. */
export function qualifiedName(value: string): readonly string[] {
  if (qualified.has(value)) return NONE;
  const errors = qualifiedNameErrors(value);
  if (errors.length === 0) {
    if (qualified.size >= QUALIFIED_MAX) qualified.clear();
    qualified.add(value);
  }
  return errors;
}

/** Names found right: a cluster knows few, and uses each of them in thousands of objects. */
const qualified = new Set<string>();
const QUALIFIED_MAX = 4096;

function qualifiedNameErrors(value: string): readonly string[] {
  const parts = value.split("/");
  if (parts.length > 2) {
    return [
      `a valid label key ${mismatch(FORMATS.labelName)}` +
        " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ];
  }
  const errors: string[] = [];
  const name = parts[parts.length - 1] as string;
  if (parts.length === 2) {
    const prefix = parts[0] as string;
    if (!prefix) errors.push("prefix part must be non-empty");
    else errors.push(...dnsSubdomain(prefix).map((message) => `prefix part ${message}`));
  }
  if (!name) errors.push("name part must be non-empty");
  else if (byteLength(name) > 63) errors.push(`name part ${maxLengthMessage(63)}`);
  if (!FORMATS.labelName.pattern.test(name))
    errors.push(`name part ${mismatch(FORMATS.labelName)}`);
  return errors;
}

export function labelValue(value: string): readonly string[] {
  return check(FORMATS.labelValue, value);
}

/** A key of a ConfigMap or Secret: becomes a file name. */
export function configKey(value: string): readonly string[] {
  return withParentFolder(check(FORMATS.configKey, value), value);
}

export function environmentName(value: string): readonly string[] {
  return withParentFolder(check(FORMATS.envName, value), value);
}

/** Since v1.34 any printable ASCII but `=`. */
export function relaxedEnvironmentName(value: string): readonly string[] {
  if (!value) return ["environment variable name must be non-empty"];
  if (/^[\x20-\x3c\x3e-\x7e]*$/.test(value)) return NONE;
  return [
    "a valid environment variable name must consist only of printable ASCII characters other " +
      "than '='",
  ];
}

function withParentFolder(errors: readonly string[], value: string): readonly string[] {
  if (value === ".") return [...errors, "must not be '.'"];
  if (value === "..") return [...errors, "must not be '..'"];
  return value.startsWith("..") ? [...errors, "must not start with '..'"] : errors;
}

export function percent(value: string): readonly string[] {
  return check(FORMATS.percent, value);
}

export function headerName(value: string): readonly string[] {
  return check(FORMATS.headerName, value);
}

export function cIdentifier(value: string): readonly string[] {
  return check(FORMATS.cIdentifier, value);
}

export function portNumber(value: number): readonly string[] {
  return inRange(value, 1, 65535);
}

export function inRange(value: number, low: number, high: number): readonly string[] {
  return value >= low && value <= high ? NONE : [rangeMessage(low, high)];
}

/** The name of a container's port (IANA service name). */
export function portName(value: string): readonly string[] {
  const errors: string[] = [];
  if (byteLength(value) > 15) errors.push(maxLengthMessage(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) errors.push("must contain at least one letter (a-z)");
  if (value.includes("--")) errors.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) {
    errors.push("must not begin or end with a hyphen");
  }
  return errors;
}

/** A name that becomes one segment of a path: RBAC objects. */
export function pathSegment(value: string): readonly string[] {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  return ["/", "%"].filter((bad) => value.includes(bad)).map((bad) => `may not contain '${bad}'`);
}
