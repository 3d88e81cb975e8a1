import type {
  LabelSelector,
  LabelSelectorRequirement,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
} from "../generated/types.ts";
import type { Findings } from "./findings.ts";
import { validateLabels } from "./metadata.ts";
import { dnsSubdomain, labelValue } from "./names.ts";

/** A LabelSelector inside of an object. */
export function validateLabelSelector(
  found: Findings,
  field: string,
  selector: LabelSelector | undefined,
): void {
  if (!selector) return;
  validateLabels(found, `${field}.matchLabels`, selector.matchLabels);
  selector.matchExpressions?.forEach((expression, index) => {
    const at = `${field}.matchExpressions[${index}]`;
    validateOperator(found, at, expression);
    found.qualifiedName(`${at}.key`, expression.key ?? "");
    expression.values?.forEach((value, valueIndex) => {
      found.invalidAll(`${at}.values[${valueIndex}]`, value, labelValue(value));
    });
  });
}

/** Whether the selector names no labels at all. */
export function isEmptySelector(selector: LabelSelector): boolean {
  return !Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length;
}

/** Answers whether the operator is one that label selectors have. */
function validateOperator(
  found: Findings,
  at: string,
  { operator, values }: LabelSelectorRequirement | NodeSelectorRequirement,
): void {
  switch (operator) {
    case "In":
    case "NotIn":
      if (values?.length) return;
      found.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
      return;
    case "Exists":
    case "DoesNotExist":
      if (!values?.length) return;
      found.forbidden(
        `${at}.values`,
        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      );
      return;
    default:
      found.invalid(`${at}.operator`, operator ?? "", "not a valid selector operator");
  }
}

export function validateNodeSelector(found: Findings, field: string, selector: NodeSelector): void {
  const at = `${field}.nodeSelectorTerms`;
  const terms = selector.nodeSelectorTerms ?? [];
  if (!terms.length) found.required(at, "must have at least one node selector term");
  terms.forEach((term, index) => {
    validateNodeSelectorTerm(found, `${at}[${index}]`, term, true);
  });
}

/** `strict`: also the values have to be values that a label can have. */
export function validateNodeSelectorTerm(
  found: Findings,
  field: string,
  term: NodeSelectorTerm | undefined,
  strict: boolean,
): void {
  term?.matchExpressions?.forEach((requirement, index) => {
    validateNodeLabel(found, `${field}.matchExpressions[${index}]`, requirement, strict);
  });
  term?.matchFields?.forEach((requirement, index) => {
    validateNodeField(found, `${field}.matchFields[${index}]`, requirement);
  });
}

function validateNodeLabel(
  found: Findings,
  at: string,
  requirement: NodeSelectorRequirement,
  strict: boolean,
): void {
  const { operator, values } = requirement;
  if (operator !== "Gt" && operator !== "Lt") validateOperator(found, at, requirement);
  else if (values?.length !== 1) {
    found.required(
      `${at}.values`,
      "must be specified single value when `operator` is 'Lt' or 'Gt'",
    );
  }
  found.qualifiedName(`${at}.key`, requirement.key ?? "");
  if (!strict) return;
  values?.forEach((value, index) => {
    found.invalidAll(`${at}.values[${index}]`, value, labelValue(value));
  });
}

function validateNodeField(
  found: Findings,
  at: string,
  requirement: NodeSelectorRequirement,
): void {
  const { key, operator, values } = requirement;
  if (operator !== "In" && operator !== "NotIn") {
    found.invalid(`${at}.operator`, operator ?? "", "not a valid selector operator");
  } else if (values?.length !== 1) {
    const words =
      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    found.required(`${at}.values`, words);
  }
  if (key !== "metadata.name") {
    found.invalid(`${at}.key`, key ?? "", "not a valid field selector key");
    return;
  }
  values?.forEach((value, index) => {
    found.invalidAll(`${at}.values[${index}]`, value, dnsSubdomain(value));
  });
}
