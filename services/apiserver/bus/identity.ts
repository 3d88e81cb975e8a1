import type { UserInfo } from "../request.ts";

const NODE_PREFIX = "system:node:";

/** The user behind a bus identity: NATS let it publish under this name only (DESIGN D14). */
export function userOfIdentity(identity: string): UserInfo {
  const groups = ["system:authenticated"];
  if (identity.startsWith(NODE_PREFIX)) groups.unshift("system:nodes");
  return { username: identity, groups };
}

/** `system:node:node-1` → `node-1`; undefined when the identity is no node's. */
export function nodeOfIdentity(identity: string): string | undefined {
  return identity.startsWith(NODE_PREFIX) ? identity.slice(NODE_PREFIX.length) : undefined;
}
