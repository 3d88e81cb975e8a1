import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StatusError } from "../../shared/api/errors.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import { partsOf } from "../../shared/api/parts.ts";
import type { KindTable } from "../../shared/api/schema.ts";
import {
  type LabelRequirement,
  labelSelectorOf,
  labelSetOf,
  parseFieldSelector,
  parseLabelSelector,
} from "../../shared/api/selectors.ts";
import { tableOf } from "./cases.ts";

interface Cases {
  readonly labels: Readonly<Record<string, Record<string, string>>>;
  readonly cases: readonly { readonly text: string; readonly selects: readonly string[] }[];
  readonly errors: readonly { readonly text: string; readonly error: string }[];
}

const cases = tableOf<Cases>("selectors.yaml");

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError && error.body.reason === "BadRequest") return error.message;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function kind(resource: string): KindTable {
  return kindByResource(resource) as KindTable;
}

describe("label selectors", () => {
  test.each(cases.cases)("$text", ({ text, selects }) => {
    const matcher = parseLabelSelector(text);
    const selected = Object.entries(cases.labels).filter(([, labels]) =>
      matcher.matchesLabels(labels),
    );
    expect(selected.map(([name]) => name)).toEqual(selects);
  });

  test.each(cases.errors)("$text is refused", ({ text, error }) => {
    expect(messageOf(() => parseLabelSelector(text))).toBe(error);
  });

  const key = fc.constantFrom("a", "b", "in", "notin", "example.com/c");
  const value = fc.constantFrom("", "x", "in", "y.z", "0");
  const requirement = fc.oneof(
    fc.record({ key, operator: fc.constantFrom("exists", "!"), values: fc.constant([]) }),
    fc.record({ key, operator: fc.constantFrom("=", "!="), values: fc.tuple(value) }),
    fc.record({
      key,
      operator: fc.constantFrom("in", "notin"),
      values: fc.uniqueArray(value, { minLength: 1 }),
    }),
  ) as fc.Arbitrary<LabelRequirement>;
  const labels = fc.dictionary(key, value);

  test("print what they were parsed from", () => {
    const text = fc.array(requirement).map((list) =>
      list
        .map(({ key, operator, values }) => {
          if (operator === "exists") return key;
          if (operator === "!") return `!${key}`;
          if (operator === "in" || operator === "notin") {
            return `${key} ${operator} (${values.join(",")})`;
          }
          return key + operator + values[0];
        })
        .join(","),
    );
    fc.assert(
      fc.property(text, labels, (given, set) => {
        const matcher = parseLabelSelector(given);
        const again = parseLabelSelector(matcher.toString());
        expect(again.toString()).toBe(matcher.toString());
        expect(again.matchesLabels(set)).toBe(matcher.matchesLabels(set));
      }),
    );
  });

  test("select what has each exact label", () => {
    fc.assert(
      fc.property(labels, labels, (wanted, set) => {
        const matcher = labelSelectorOf({ matchLabels: wanted });
        const has = Object.entries(wanted).every(([key, value]) => set[key] === value);
        expect(matcher.matchesLabels(set)).toBe(has);
        expect({ ...matcher.exactLabels }).toEqual({ ...wanted });
      }),
    );
  });

  test("of objects: absent selects nothing, empty everything", () => {
    expect(labelSelectorOf(undefined).matchesLabels({ a: "b" })).toBe(false);
    expect(labelSelectorOf({}).matchesLabels({ a: "b" })).toBe(true);
    expect(labelSetOf({}).matchesLabels({ a: "b" })).toBe(false);
    const matcher = labelSelectorOf({
      matchExpressions: [
        { key: "a", operator: "In", values: ["b", "c"] },
        { key: "d", operator: "DoesNotExist" },
      ],
    });
    expect(matcher.matches({ metadata: { labels: { a: "c" } } })).toBe(true);
    expect(matcher.matches({ metadata: { labels: { a: "c", d: "" } } })).toBe(false);
    expect(matcher.matches({})).toBe(false);
  });

  test("know nothing of prototypes", () => {
    expect(parseLabelSelector("constructor").matchesLabels({})).toBe(false);
    expect(messageOf(() => parseLabelSelector("a constructor b"))).toContain("found 'constructor'");
  });
});

describe("field selectors", () => {
  const pod = { metadata: { name: "a", namespace: "n" }, spec: { nodeName: "n1" } };

  test.each([
    ["", true],
    ["metadata.name=a", true],
    ["metadata.name!=a", false],
    ["metadata.name==a,metadata.namespace=n,spec.nodeName=n1", true],
    ["spec.host=n1", true],
    ["spec.nodeName=", false],
    ["status.phase=", true],
    ["status.phase!=Running", true],
    ["spec.hostNetwork=false", true],
    ["spec.hostNetwork=true", false],
  ])("of pods: %s", (text, expected) => {
    expect(parseFieldSelector(text, kind("pods")).matches(partsOf(pod))).toBe(expected);
  });

  test("say which value a field must have", () => {
    const matcher = parseFieldSelector("spec.nodeName=n1,status.phase!=Failed", kind("pods"));
    expect(matcher.exact("spec.nodeName")).toBe("n1");
    expect(matcher.exact("status.phase")).toBeUndefined();
    expect(matcher.toString()).toBe("spec.nodeName=n1,status.phase!=Failed");
  });

  test("of events in either API match the stored form", () => {
    const event = {
      involvedObject: { name: "p" },
      source: {},
      reportingComponent: "kubelet",
      type: "Normal",
    };
    const core = parseFieldSelector("involvedObject.name=p,source=kubelet", kind("events"));
    expect(core.matches(partsOf(event))).toBe(true);
    const text = "regarding.name=p,reportingController=kubelet,type=Normal";
    expect(parseFieldSelector(text, kind("events.events.k8s.io")).matches(partsOf(event))).toBe(
      true,
    );
  });

  test.each([
    ["pods", "foo=bar", "field label not supported: foo"],
    ["nodes", "metadata.namespace=x", "field label not supported: metadata.namespace"],
    [
      "deployments.apps",
      "spec.replicas=1",
      '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    ["pods", "a", "invalid selector: 'a'; can't understand 'a'"],
  ])("%s: %s is refused", (resource, text, message) => {
    expect(messageOf(() => parseFieldSelector(text, kind(resource)))).toBe(message);
  });
});
