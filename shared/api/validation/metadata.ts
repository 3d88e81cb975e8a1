import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from "../object.ts";
import type { Findings } from "./findings.ts";
import {
  byteLength,
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  labelValue,
  pathSegment,
  qualifiedName,
} from "./names.ts";

const ANNOTATIONS_MAX = 256 * 1024;

/** What is wrong with a name; with `prefix` it is the beginning of one, as in generateName. */
export type NameRule = (name: string, prefix: boolean) => readonly string[];

/** A generateName ends with a dash, which the generated end makes good. */
function masked(rule: (name: string) => readonly string[]): NameRule {
  return (name, prefix) => rule(prefix ? name.replace(/.?-$/, "a") : name);
}

export const SUBDOMAIN_NAME = masked(dnsSubdomain);
export const LABEL_NAME = masked(dnsLabel);
export const LABEL_1035_NAME = masked(dns1035Label);
export const PATH_SEGMENT_NAME: NameRule = (name) => pathSegment(name);

/** The metadata of a new object, and that of an updated one taken by itself. */
export function validateMetadata(
  found: Findings,
  metadata: ObjectMeta,
  namespaced: boolean,
  nameRule: NameRule,
): void {
  const { generateName, name, namespace } = metadata;
  if (generateName) {
    found.invalidAll("metadata.generateName", generateName, nameRule(generateName, true));
  }
  if (name) found.invalidAll("metadata.name", name, nameRule(name, false));
  else found.required("metadata.name", "name or generateName is required");
  if (!namespaced) {
    if (namespace) found.forbidden("metadata.namespace", "not allowed on this type");
  } else if (!namespace) found.required("metadata.namespace");
  else found.dnsLabel("metadata.namespace", namespace);
  found.notNegative("metadata.generation", metadata.generation);
  validateLabels(found, "metadata.labels", metadata.labels);
  validateAnnotations(found, "metadata.annotations", metadata.annotations);
  validateOwnerReferences(found, metadata.ownerReferences);
  validateFinalizers(found, metadata.finalizers);
  validateManagedFields(found, metadata.managedFields);
}

/** What an update may not do to the metadata. */
export function validateMetadataUpdate(
  found: Findings,
  metadata: ObjectMeta,
  old: ObjectMeta,
): void {
  if (old.deletionTimestamp) {
    const added = (metadata.finalizers ?? []).filter((one) => !old.finalizers?.includes(one));
    if (added.length) {
      const list = `[]string{${added.map((one) => JSON.stringify(one)).join(", ")}}`;
      const words = "no new finalizers can be added if the object is being deleted";
      found.forbidden("metadata.finalizers", `${words}, found new finalizers ${list}`);
    }
  }
  if (!metadata.resourceVersion) {
    found.invalid("metadata.resourceVersion", "", "must be specified for an update");
  }
  if ((metadata.generation ?? 0) < (old.generation ?? 0)) {
    found.invalid("metadata.generation", metadata.generation ?? 0, "must not be decremented");
  }
  found.immutable("metadata.name", metadata.name, old.name);
  found.immutable("metadata.namespace", metadata.namespace, old.namespace);
  found.immutable("metadata.uid", metadata.uid, old.uid);
  for (const field of [
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
  ] as const) {
    found.immutable(`metadata.${field}`, metadata[field], old[field]);
  }
  validateLabels(found, "metadata.labels", metadata.labels);
  validateAnnotations(found, "metadata.annotations", metadata.annotations);
  validateOwnerReferences(found, metadata.ownerReferences);
  validateManagedFields(found, metadata.managedFields);
}

export function validateLabels(
  found: Findings,
  field: string,
  labels: Readonly<Record<string, string>> | undefined,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    found.qualifiedName(field, key);
    found.invalidAll(field, value, labelValue(value));
  }
}

export function validateAnnotations(
  found: Findings,
  field: string,
  annotations: Readonly<Record<string, string>> | undefined,
): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    found.invalidAll(field, key, qualifiedName(key.toLowerCase()));
    size += byteLength(key) + byteLength(value);
  }
  if (size > ANNOTATIONS_MAX) found.tooLong(field, ANNOTATIONS_MAX);
}

function validateOwnerReferences(
  found: Findings,
  references: readonly OwnerReference[] | undefined,
): void {
  const field = "metadata.ownerReferences";
  let controller = "";
  for (const reference of references ?? []) {
    const { apiVersion, kind, name, uid } = reference;
    if (!apiVersion || apiVersion.split("/").length > 2) {
      found.invalid(`${field}.apiVersion`, apiVersion ?? "", "version must not be empty");
    }
    if (!kind) found.invalid(`${field}.kind`, kind ?? "", "must not be empty");
    if (!name) found.invalid(`${field}.name`, name ?? "", "must not be empty");
    if (!uid) found.invalid(`${field}.uid`, uid ?? "", "must not be empty");
    if (apiVersion === "v1" && kind === "Event") {
      found.invalid(field, reference, "/v1, Kind=Event is disallowed from being an owner");
    }
    if (!reference.controller) continue;
    const current = `${kind}/${name}`;
    if (controller) {
      found.invalid(
        field,
        references,
        "Only one reference can have Controller set to true. " +
          `Found "true" in references for ${controller} and ${current}`,
      );
    } else controller = current;
  }
}

const STANDARD_FINALIZERS = ["kubernetes", "orphan", "foregroundDeletion"];

/** Names of finalizers without a prefix are Kubernetes' own. */
export function validateFinalizerName(found: Findings, field: string, name: string): void {
  found.qualifiedName(field, name);
  validateStandardFinalizer(found, field, name);
}

function validateStandardFinalizer(found: Findings, field: string, name: string): void {
  if (name.includes("/") || STANDARD_FINALIZERS.includes(name)) return;
  const words = "name is neither a standard finalizer name nor is it fully qualified";
  found.invalid(field, name, words);
}

function validateFinalizers(found: Findings, finalizers: readonly string[] | undefined): void {
  const field = "metadata.finalizers";
  for (const name of finalizers ?? []) found.qualifiedName(field, name);
  if (finalizers?.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    const words = "finalizer orphan and foregroundDeletion cannot be both set";
    found.invalid(field, finalizers, words);
  }
  finalizers?.forEach((name, index) => {
    validateStandardFinalizer(found, `${field}[${index}]`, name);
  });
}

const MANAGER_MAX = 128;
const SUBRESOURCE_MAX = 256;

function validateManagedFields(
  found: Findings,
  entries: readonly ManagedFieldsEntry[] | undefined,
): void {
  entries?.forEach((entry, index) => {
    const field = `metadata.managedFields[${index}]`;
    if (entry.operation !== "Apply" && entry.operation !== "Update") {
      found.invalid(`${field}.operation`, entry.operation ?? "", "must be `Apply` or `Update`");
    }
    if (entry.fieldsType && entry.fieldsType !== "FieldsV1") {
      found.invalid(`${field}.fieldsType`, entry.fieldsType, "must be `FieldsV1`");
    }
    validateFieldManager(found, `${field}.manager`, entry.manager ?? "");
    if (byteLength(entry.subresource ?? "") > SUBRESOURCE_MAX) {
      found.tooLong(`${field}.subresource`, SUBRESOURCE_MAX);
    }
  });
}

/** The `fieldManager` of a request, and the managers of managedFields. */
export function validateFieldManager(found: Findings, field: string, manager: string): void {
  if (manager.length <= MANAGER_MAX && /^[ -~]*$/.test(manager)) return;
  if (byteLength(manager) > MANAGER_MAX) found.tooLong(field, MANAGER_MAX);
  let position = 0;
  for (const character of manager) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) {
      const code = (character.codePointAt(0) as number).toString(16).toUpperCase();
      const shown = `U+${code.padStart(4, "0")}`;
      found.invalid(field, manager, `invalid character ${shown} (at position ${position})`);
    }
    position += byteLength(character);
  }
}
