import type { KubernetesObject } from "../object.ts";
import type { Findings } from "./findings.ts";

interface AccessReviewSpec {
  readonly resourceAttributes?: { readonly namespace?: string };
  readonly nonResourceAttributes?: object;
  readonly user?: string;
  readonly groups?: readonly string[];
}

function specOf(object: KubernetesObject): AccessReviewSpec {
  return (object["spec"] ?? {}) as AccessReviewSpec;
}

function validateAttributes(found: Findings, spec: AccessReviewSpec): void {
  const { resourceAttributes, nonResourceAttributes } = spec;
  if (resourceAttributes && nonResourceAttributes) {
    const words = "cannot be specified in combination with resourceAttributes";
    found.invalid("spec.nonResourceAttributes", nonResourceAttributes, words);
  } else if (!resourceAttributes && !nonResourceAttributes) {
    const words = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    found.invalid("spec.resourceAttributes", null, words);
  }
}

function validateEmptyMetadata(
  found: Findings,
  { metadata }: KubernetesObject,
  except: readonly string[],
): void {
  const allowed = [...except, "managedFields", "creationTimestamp"];
  const set = Object.keys(metadata).filter((field) => !allowed.includes(field));
  if (!set.length) return;
  const but = except.length ? ` except for ${except.join(", ")}` : "";
  found.invalid("metadata", metadata, `must be empty${but}`);
}

export function validateSelfSubjectAccessReview(found: Findings, object: KubernetesObject): void {
  validateAttributes(found, specOf(object));
  validateEmptyMetadata(found, object, []);
}

export function validateSubjectAccessReview(found: Findings, object: KubernetesObject): void {
  const spec = specOf(object);
  validateAttributes(found, spec);
  validateUser(found, spec);
  validateEmptyMetadata(found, object, []);
}

function validateUser(found: Findings, { user, groups }: AccessReviewSpec): void {
  if (user || groups?.length) return;
  found.invalid("spec.user", "", "at least one of user or group must be specified");
}

export function validateLocalSubjectAccessReview(found: Findings, object: KubernetesObject): void {
  const spec = specOf(object);
  const { namespace = "" } = object.metadata;
  validateAttributes(found, spec);
  validateUser(found, spec);
  validateEmptyMetadata(found, object, ["namespace"]);
  const asked = spec.resourceAttributes?.namespace ?? "";
  if (spec.resourceAttributes && asked !== namespace) {
    const words = "must match metadata.namespace";
    found.invalid("spec.resourceAttributes.namespace", asked, words);
  }
  if (spec.nonResourceAttributes) {
    const words = "disallowed on this kind of request";
    found.invalid("spec.nonResourceAttributes", spec.nonResourceAttributes, words);
  }
}
