import { keyOf, parseKey } from "../shared/api/key.ts";
import type { Key } from "../shared/store/store.ts";

/** The names of NATS subjects, and how Kubernetes names are written into them. */

/** The logs of a cluster; each is the stream of a KV bucket of that name. */
export type LogName = "cluster" | "events" | "leases";

/** Stands for the empty API group and for "no namespace"; neither can be named so. */
const NONE = "_";

const UNSAFE = /[.*>%\s\p{Cc}]/gu;

/**
 * A text as one token of a subject: `.`, `*`, `>`, `%`, blanks and control characters become %XX
 * of their UTF-8 bytes, the rest stays readable.
 */
export function escapeToken(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const hex = Buffer.from(character).toString("hex").toUpperCase();
    return hex.replace(/../g, "%$&");
  });
}

/** The text that `escapeToken` was given. */
export function unescapeToken(token: string): string {
  return token.includes("%") ? decodeURIComponent(token) : token;
}

/** A Kubernetes user name as a token: `api.<identity token>.<verb>`. */
export function identityToken(username: string): string {
  return escapeToken(username);
}

/** The stream behind a log, named as NATS names those of its KV buckets. */
export function streamOf(log: LogName): string {
  return `KV_${log}`;
}

/** `$KV.cluster.apps.deployments.default.web` for `deployments.apps/default/web`. */
export function subjectOfKey(log: LogName, key: Key): string {
  const { resource, namespace, name } = parseKey(key);
  return `${resourceSubject(log, resource)}.${escapeToken(namespace || NONE)}.${escapeToken(name)}`;
}

/** The key of a subject; undefined when the subject is not one of a key. */
export function keyOfSubject(subject: string): Key | undefined {
  const tokens = subject.split(".");
  const [, , group, resource, namespace, name] = tokens;
  if (tokens.length !== 6 || !group || !resource || !namespace || !name) return undefined;
  const plural = unescapeToken(resource);
  const groupResource = group === NONE ? plural : `${plural}.${unescapeToken(group)}`;
  return keyOf(
    groupResource,
    namespace === NONE ? "" : unescapeToken(namespace),
    unescapeToken(name),
  );
}

/** The subjects of all keys with a prefix of whole segments: ``, `pods/`, `pods/default/`. */
export function subjectOfPrefix(log: LogName, prefix: string): string {
  const [resource, namespace, rest] = prefix.split("/");
  if (!resource) return `$KV.${log}.>`;
  if (namespace === undefined || (rest !== undefined && rest !== "")) {
    throw new TypeError(`not a prefix of whole key segments: ${JSON.stringify(prefix)}`);
  }
  if (namespace === "") return `${resourceSubject(log, resource)}.>`;
  return `${resourceSubject(log, resource)}.${escapeToken(namespace)}.*`;
}

function resourceSubject(log: LogName, resource: string): string {
  const dot = resource.indexOf(".");
  const plural = dot < 0 ? resource : resource.slice(0, dot);
  const group = dot < 0 ? NONE : resource.slice(dot + 1);
  return `$KV.${log}.${escapeToken(group)}.${escapeToken(plural)}`;
}
