import { methodNotAllowed, pathNotFound, unauthorizedAction } from "../../../shared/api/errors.ts";
import type { AuthorizationAttributes, Authorizer, UserInfo } from "../request.ts";
import type { ResourceRoute, UnknownResourceRoute } from "./path.ts";

/**
 * Demands that the user may do what is asked.
 * @throws StatusError 403 in Kubernetes' words.
 */
export function demand(authorizer: Authorizer, asked: AuthorizationAttributes): void {
  const { allowed, reason } = authorizer.authorize(asked);
  if (allowed) return;
  const { user, verb, path, group, resource, subresource, namespace, name } = asked;
  const what = path === undefined ? { group, resource, subresource, namespace, name } : { path };
  throw unauthorizedAction({
    user: user.username,
    verb,
    ...what,
    ...(reason === "" ? {} : { reason }),
  });
}

/** Demands access to a path that is no resource. */
export function demandPath(authorizer: Authorizer, user: UserInfo, verb: string, path: string) {
  const none = { group: "", resource: "", subresource: "", namespace: "", name: "" };
  demand(authorizer, { user, verb, path, ...none });
}

/** Demands access to a resource's subresource, as the verbs of connections need. */
export function demandConnect(
  authorizer: Authorizer,
  user: UserInfo,
  verb: string,
  route: ResourceRoute,
): void {
  demand(authorizer, {
    user,
    verb,
    group: route.table.group,
    resource: route.table.plural,
    subresource: route.subresource?.name ?? "",
    namespace: route.namespace,
    name: route.name,
  });
}

/**
 * Answers for a resource that does not exist, or a method that it does not have: whoever may not
 * even ask is told that first.
 * @throws StatusError always
 */
export function refuseUnknown(
  authorizer: Authorizer,
  user: UserInfo,
  route: UnknownResourceRoute,
): never {
  const { verb, group, resource, subresource, namespace, name } = route;
  demand(authorizer, { user, verb, group, resource, subresource, namespace, name });
  throw route.code === 404 ? pathNotFound() : methodNotAllowed();
}
