import type { PolicyRule } from "../../../../shared/api/generated/types.ts";
import type { AuthorizationAttributes } from "../../request.ts";

const ALL = "*";

/** Whether one of a role's rules allows the request. */
export function ruleAllows(request: AuthorizationAttributes, rule: PolicyRule): boolean {
  if (!hasOrAll(rule.verbs, request.verb)) return false;
  if (request.path !== undefined) {
    return (rule.nonResourceURLs ?? []).some((url) => urlMatches(url, request.path ?? ""));
  }
  return (
    hasOrAll(rule.apiGroups ?? [], request.group) &&
    resourceMatches(rule.resources ?? [], request.resource, request.subresource) &&
    nameMatches(rule.resourceNames ?? [], request.name)
  );
}

/** The part of `wanted` that no rule of `held` covers, one verb and resource at a time. */
export function missingRules(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((one) => !held.some((rule) => ruleCovers(rule, one)));
}

/** Rules as they are printed in messages: those that differ in their verbs only become one. */
export function describeRules(rules: readonly PolicyRule[]): string[] {
  const merged = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const key = JSON.stringify([
      rule.apiGroups,
      rule.resources,
      rule.resourceNames,
      rule.nonResourceURLs,
    ]);
    const present = merged.get(key);
    if (present === undefined) merged.set(key, { ...rule, verbs: [...rule.verbs] });
    else present.verbs.push(...rule.verbs.filter((verb) => !present.verbs.includes(verb)));
  }
  return [...new Set([...merged.values()].map(describeRule))].sort();
}

function describeRule(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (name: string, values: readonly string[] | undefined) => {
    if (values === undefined || values.length === 0) return;
    parts.push(`${name}:[${values.map((value) => JSON.stringify(value)).join(" ")}]`);
  };
  add("APIGroups", rule.apiGroups);
  add("Resources", rule.resources);
  add("NonResourceURLs", rule.nonResourceURLs);
  add("ResourceNames", rule.resourceNames);
  add("Verbs", rule.verbs);
  return `{${parts.join(", ")}}`;
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const result: PolicyRule[] = [];
  for (const apiGroup of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        const one = { apiGroups: [apiGroup], resources: [resource], verbs: [verb] };
        const names = rule.resourceNames ?? [];
        if (names.length === 0) result.push(one);
        else result.push(...names.map((name) => ({ ...one, resourceNames: [name] })));
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) {
    for (const verb of rule.verbs) result.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return result;
}

/** `one` has a single value in each of its lists. */
function ruleCovers(held: PolicyRule, one: PolicyRule): boolean {
  const heldNames = held.resourceNames ?? [];
  return (
    one.verbs.every((verb) => hasOrAll(held.verbs, verb)) &&
    (one.apiGroups ?? []).every((group) => hasOrAll(held.apiGroups ?? [], group)) &&
    (one.resources ?? []).every((resource) => resourceCovers(held.resources ?? [], resource)) &&
    (one.nonResourceURLs ?? []).every((url) =>
      (held.nonResourceURLs ?? []).some((pattern) => urlMatches(pattern, url)),
    ) &&
    (heldNames.length === 0 ||
      one.resourceNames?.every((name) => heldNames.includes(name)) === true)
  );
}

function resourceCovers(held: readonly string[], resource: string): boolean {
  if (hasOrAll(held, resource)) return true;
  const [, subresource] = resource.split("/", 2);
  return subresource !== undefined && held.includes(`*/${subresource}`);
}

function hasOrAll(values: readonly string[], wanted: string): boolean {
  return values.includes(wanted) || values.includes(ALL);
}

function resourceMatches(rules: readonly string[], resource: string, subresource: string): boolean {
  if (rules.includes(ALL)) return true;
  if (subresource === "") return rules.includes(resource);
  return rules.includes(`${resource}/${subresource}`) || rules.includes(`*/${subresource}`);
}

function nameMatches(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

function urlMatches(pattern: string, path: string): boolean {
  if (pattern === ALL || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.replace(/\*+$/, ""));
}
