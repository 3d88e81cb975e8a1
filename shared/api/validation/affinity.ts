import type {
  Affinity,
  LabelSelector,
  NodeAffinity,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from "../generated/types.ts";
import type { Findings } from "./findings.ts";
import { labelValue } from "./names.ts";
import {
  validateLabelSelector,
  validateNodeSelector,
  validateNodeSelectorTerm,
} from "./selectors.ts";

const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution";

export function validateAffinity(
  found: Findings,
  field: string,
  affinity: Affinity | undefined,
): void {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  if (nodeAffinity) validateNodeAffinity(found, `${field}.nodeAffinity`, nodeAffinity);
  if (podAffinity) validatePodAffinity(found, `${field}.podAffinity`, podAffinity);
  if (podAntiAffinity) validatePodAffinity(found, `${field}.podAntiAffinity`, podAntiAffinity);
}

function validateWeight(found: Findings, at: string, weight = 0): void {
  if (weight >= 1 && weight <= 100) return;
  found.invalid(`${at}.weight`, weight, "must be in the range 1-100");
}

function validateNodeAffinity(found: Findings, field: string, affinity: NodeAffinity): void {
  const required = affinity[REQUIRED];
  if (required) validateNodeSelector(found, `${field}.${REQUIRED}`, required);
  affinity[PREFERRED]?.forEach(({ weight, preference }, index) => {
    const at = `${field}.${PREFERRED}[${index}]`;
    validateWeight(found, at, weight);
    validateNodeSelectorTerm(found, `${at}.preference`, preference, false);
  });
}

function validatePodAffinity(found: Findings, field: string, affinity: PodAffinity): void {
  affinity[REQUIRED]?.forEach((term, index) => {
    validateTerm(found, `${field}.${REQUIRED}[${index}]`, term);
  });
  affinity[PREFERRED]?.forEach(({ weight, podAffinityTerm }, index) => {
    const at = `${field}.${PREFERRED}[${index}]`;
    validateWeight(found, at, weight);
    validateTerm(found, `${at}.podAffinityTerm`, podAffinityTerm ?? { topologyKey: "" });
  });
}

function validateTerm(found: Findings, at: string, term: PodAffinityTerm): void {
  validateLabelSelector(found, `${at}.labelSelector`, term.labelSelector);
  validateLabelSelector(found, `${at}.namespaceSelector`, term.namespaceSelector);
  for (const name of term.namespaces ?? []) found.dnsLabel(`${at}.namespace`, name);
  const { matchLabelKeys = [], mismatchLabelKeys = [], labelSelector } = term;
  for (const [part, keys] of Object.entries({ matchLabelKeys, mismatchLabelKeys })) {
    if (!keys.length) continue;
    if (!labelSelector) {
      found.forbidden(`${at}.${part}`, "must not be specified when labelSelector is not set");
      continue;
    }
    keys.forEach((key, index) => {
      found.qualifiedName(`${at}.${part}[${index}]`, key);
    });
  }
  matchLabelKeys.forEach((key, index) => {
    if (!mismatchLabelKeys.includes(key)) return;
    const words = "exists in both matchLabelKeys and mismatchLabelKeys";
    found.invalid(`${at}.matchLabelKeys[${index}]`, key, words);
  });
  if (!term.topologyKey) found.required(`${at}.topologyKey`, "can not be empty");
  found.qualifiedName(`${at}.topologyKey`, term.topologyKey ?? "");
}

const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateTaintEffect(found: Findings, field: string, effect: string): void {
  found.oneOf(field, effect, TAINT_EFFECTS);
}

export function validateTolerations(
  found: Findings,
  field: string,
  tolerations: readonly Toleration[] = [],
): void {
  tolerations.forEach(({ key, operator, value, effect, tolerationSeconds }, index) => {
    const at = `${field}[${index}]`;
    if (key) found.qualifiedName(`${at}.key`, key);
    else if (operator !== "Exists") {
      const words =
        'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      found.invalid(`${at}.operator`, operator ?? "", words);
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      const words = "effect must be 'NoExecute' when `tolerationSeconds` is set";
      found.invalid(`${at}.effect`, effect ?? "", words);
    }
    if (operator === "Exists") {
      if (value) {
        const words = "value must be empty when `operator` is 'Exists'";
        found.invalid(`${at}.operator`, value, words);
      }
    } else if (!operator || operator === "Equal") {
      const wrong = labelValue(value ?? "");
      if (wrong.length) found.invalid(`${at}.operator`, value, wrong.join(";"));
    } else found.oneOf(`${at}.operator`, operator, ["Equal", "Exists"]);
    if (effect) validateTaintEffect(found, `${at}.effect`, effect);
  });
}

const SPREAD_ACTIONS = ["DoNotSchedule", "ScheduleAnyway"];
const INCLUSION_POLICIES = ["Honor", "Ignore"];
const NOT_POSITIVE = "must be greater than zero";

export function validateTopologySpread(
  found: Findings,
  field: string,
  constraints: readonly TopologySpreadConstraint[] = [],
): void {
  constraints.forEach((constraint, index) => {
    const at = `${field}[${index}]`;
    const { maxSkew = 0, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    if (maxSkew <= 0) found.invalid(`${at}.maxSkew`, maxSkew, NOT_POSITIVE);
    if (!topologyKey) found.required(`${at}.topologyKey`, "can not be empty");
    found.oneOf(`${at}.whenUnsatisfiable`, whenUnsatisfiable ?? "", SPREAD_ACTIONS);
    const repeated = constraints
      .slice(index + 1)
      .some((o) => o.topologyKey === topologyKey && o.whenUnsatisfiable === whenUnsatisfiable);
    if (repeated) {
      const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
      found.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair);
    }
    if (minDomains !== undefined) {
      if (minDomains <= 0) found.invalid(`${at}.minDomains`, minDomains, NOT_POSITIVE);
      if (whenUnsatisfiable !== "DoNotSchedule") {
        const words = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not";
        found.invalid(`${at}.minDomains`, minDomains, `${words} ${whenUnsatisfiable}`);
      }
    }
    for (const policy of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const) {
      const value = constraint[policy];
      if (value !== undefined) found.oneOf(`${at}.${policy}`, value, INCLUSION_POLICIES);
    }
    validateMatchLabelKeys(found, `${at}.matchLabelKeys`, constraint);
    validateLabelSelector(found, `${at}.labelSelector`, constraint.labelSelector);
  });
}

function validateMatchLabelKeys(
  found: Findings,
  field: string,
  { matchLabelKeys = [], labelSelector }: TopologySpreadConstraint,
): void {
  if (!matchLabelKeys.length) return;
  if (!labelSelector) {
    found.forbidden(field, "must not be specified when labelSelector is not set");
  }
  const selected = selectedKeys(labelSelector);
  matchLabelKeys.forEach((key, index) => {
    found.qualifiedName(`${field}[${index}]`, key);
    if (!selected.has(key)) return;
    const words = "exists in both matchLabelKeys and labelSelector";
    found.invalid(`${field}[${index}]`, key, words);
  });
}

function selectedKeys(selector: LabelSelector | undefined): ReadonlySet<string> {
  const expressions = selector?.matchExpressions ?? [];
  return new Set([
    ...Object.keys(selector?.matchLabels ?? {}),
    ...expressions.map(({ key }) => key),
  ]);
}
