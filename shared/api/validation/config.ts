import type { ConfigMap, Namespace, Secret } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { sameMeaning } from "./equal.ts";
import type { Findings } from "./findings.ts";
import { validateFinalizerName } from "./metadata.ts";
import { byteLength, configKey } from "./names.ts";

const DATA_MAX = 1024 * 1024;
const WHEN_IMMUTABLE = "field is immutable when `immutable` is set";

/** Bytes that base64 stands for. */
function decodedLength(base64: string): number {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}

export function validateConfigMap(found: Findings, object: KubernetesObject): void {
  const { data = {}, binaryData = {} } = object as ConfigMap;
  let size = 0;
  for (const [key, text] of Object.entries(data)) {
    const at = `data[${key}]`;
    found.invalidAll(at, key, configKey(key));
    if (Object.hasOwn(binaryData, key)) {
      found.invalid(at, key, "duplicate of key present in binaryData");
    }
    size += byteLength(text);
  }
  for (const [key, base64] of Object.entries(binaryData)) {
    found.invalidAll(`binaryData[${key}]`, key, configKey(key));
    size += decodedLength(base64);
  }
  // The object as a whole, as Kubernetes writes it.
  if (size > DATA_MAX) found.tooLong("[]", DATA_MAX);
}

export function validateConfigMapUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  validateStillImmutable(found, object, old, ["data", "binaryData"]);
  validateConfigMap(found, object);
}

function validateStillImmutable(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
  fields: readonly string[],
): void {
  if (!old["immutable"]) return;
  if (!object["immutable"]) found.forbidden("immutable", WHEN_IMMUTABLE);
  for (const field of fields) {
    if (!sameMeaning(object[field], old[field])) found.forbidden(field, WHEN_IMMUTABLE);
  }
}

const SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name";

/** Keys that a type of Secret has to have. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

export function validateSecret(found: Findings, object: KubernetesObject): void {
  const { data = {}, type = "", metadata } = object as Secret;
  let size = 0;
  for (const [key, base64] of Object.entries(data)) {
    found.invalidAll(`data[${key}]`, key, configKey(key));
    size += decodedLength(base64);
  }
  if (size > DATA_MAX) found.tooLong("data", DATA_MAX);
  if (type === "kubernetes.io/service-account-token") {
    if (metadata.annotations?.[SERVICE_ACCOUNT_NAME]) return;
    found.required(`metadata.annotations[${SERVICE_ACCOUNT_NAME}]`);
  }
  if (type === "kubernetes.io/basic-auth" && !("username" in data) && !("password" in data)) {
    found.required("data[username]");
    found.required("data[password]");
  }
  for (const key of REQUIRED_KEYS[type] ?? []) {
    const value = data[key];
    if (value === undefined || (key === "ssh-privatekey" && !value)) found.required(`data[${key}]`);
    else if (key.startsWith(".docker")) validateJsonObject(found, `data[${key}]`, value);
  }
}

function validateJsonObject(found: Findings, field: string, base64: string): void {
  let words = "json: not an object";
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, "base64").toString());
    if (typeof value === "object" && !Array.isArray(value)) return;
  } catch (error) {
    words = (error as Error).message;
  }
  found.invalid(field, "<secret contents redacted>", words);
}

export function validateSecretUpdate(
  found: Findings,
  object: KubernetesObject,
  old: KubernetesObject,
): void {
  found.immutable("type", object["type"], old["type"]);
  validateStillImmutable(found, object, old, ["data"]);
  validateSecret(found, object);
}

export function validateNamespace(found: Findings, object: KubernetesObject): void {
  for (const name of (object as Namespace).spec?.finalizers ?? []) {
    validateFinalizerName(found, "spec.finalizers", name);
  }
}

/** namespaces/status: the phase follows from whether the namespace is being deleted. */
export function validateNamespaceStatus(found: Findings, object: KubernetesObject): void {
  const { metadata, status } = object as Namespace;
  const phase = status?.phase ?? "";
  const deleted = Boolean(metadata.deletionTimestamp);
  const expected = deleted ? "Terminating" : "Active";
  if (phase === expected) return;
  const when = deleted ? "not empty" : "empty";
  const words = `may only be '${expected}' if \`deletionTimestamp\` is ${when}`;
  found.invalid("status.Phase", phase, words);
}

/** namespaces/finalize */
export function validateNamespaceFinalize(found: Findings, object: KubernetesObject): void {
  (object as Namespace).spec?.finalizers?.forEach((name, index) => {
    validateFinalizerName(found, `spec.finalizers[${index}]`, name);
  });
}
