import type { IncomingHttpHeaders } from "node:http";
import { internalError, unauthorizedAction } from "../../../shared/api/errors.ts";
import type { Authorizer, UserInfo } from "../request.ts";

const EXTRA_PREFIX = "impersonate-extra-";
const SERVICE_ACCOUNT = "system:serviceaccount:";
const AUTHENTICATION_GROUP = "authentication.k8s.io";

/**
 * The user that the `Impersonate-*` headers ask for; the asking user when there are none.
 * @throws StatusError 403 when he may not impersonate one of what was named.
 */
export function impersonate(
  headers: IncomingHttpHeaders,
  user: UserInfo,
  authorizer: Authorizer,
): UserInfo {
  if (!impersonates(headers)) return user;
  const username = one(headers["impersonate-user"]);
  const groups = many(headers["impersonate-group"]);
  const uid = one(headers["impersonate-uid"]);
  const extra = extraOf(headers);
  if (username === "") {
    if (groups.length === 0 && uid === "" && Object.keys(extra).length === 0) return user;
    throw internalError("requested impersonation without impersonating a user");
  }
  const need = (resource: string, name: string, more: Partial<Asked> = {}) =>
    demand(authorizer, user, { resource, name, ...more });
  const account = serviceAccountOf(username);
  if (account === undefined) need("users", username);
  else need("serviceaccounts", account.name, { namespace: account.namespace });
  for (const group of groups) need("groups", group);
  if (uid !== "") need("uids", uid, { group: AUTHENTICATION_GROUP });
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      need("userextras", value, { group: AUTHENTICATION_GROUP, subresource: key });
    }
  }
  return {
    username,
    ...(uid === "" ? {} : { uid }),
    groups: groupsOf(username, account?.namespace, groups),
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  };
}

function impersonates(headers: IncomingHttpHeaders): boolean {
  for (const header in headers) if (header.startsWith("impersonate-")) return true;
  return false;
}

interface Asked {
  readonly resource: string;
  readonly name: string;
  readonly group: string;
  readonly subresource: string;
  readonly namespace: string;
}

function demand(
  authorizer: Authorizer,
  user: UserInfo,
  asked: Pick<Asked, "resource" | "name"> & Partial<Asked>,
): void {
  const request = { group: "", subresource: "", namespace: "", ...asked };
  const { allowed, reason } = authorizer.authorize({ user, verb: "impersonate", ...request });
  if (allowed) return;
  throw unauthorizedAction({
    user: user.username,
    verb: "impersonate",
    ...request,
    ...(reason === "" ? {} : { reason }),
  });
}

function groupsOf(
  username: string,
  accountNamespace: string | undefined,
  asked: readonly string[],
): string[] {
  const groups = [...asked];
  if (accountNamespace !== undefined && groups.length === 0) {
    groups.push("system:serviceaccounts", `system:serviceaccounts:${accountNamespace}`);
  }
  const standing =
    username === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  const present = groups.some((group) =>
    ["system:authenticated", "system:unauthenticated"].includes(group),
  );
  return present ? groups : [...groups, standing];
}

function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(SERVICE_ACCOUNT)) return undefined;
  const [namespace, name, ...more] = username.slice(SERVICE_ACCOUNT.length).split(":");
  return namespace && name && more.length === 0 ? { namespace, name } : undefined;
}

function extraOf(headers: IncomingHttpHeaders): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(EXTRA_PREFIX)) continue;
    const key = header.slice(EXTRA_PREFIX.length);
    try {
      extra[decodeURIComponent(key)] = many(value);
    } catch {
      extra[key] = many(value);
    }
  }
  return extra;
}

function one(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/** Node joins repeated headers that it does not know with a comma and a blank. */
function many(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(", ")).filter((item) => item !== "");
}
