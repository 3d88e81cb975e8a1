import { unauthorizedAction } from "../../shared/api/errors.ts";
import type { EngineContext } from "./context.ts";
import type { AuthorizationAttributes } from "./request.ts";

/** @throws StatusError Forbidden, in Kubernetes' words */
export function authorize(
  context: Pick<EngineContext, "authorizer">,
  attributes: AuthorizationAttributes,
): void {
  const { allowed, reason } = context.authorizer.authorize(attributes);
  if (allowed) return;
  const { user, verb, group, resource, subresource, namespace, name } = attributes;
  throw unauthorizedAction({
    user: user.username,
    verb,
    group,
    resource,
    subresource,
    namespace,
    name,
    reason,
  });
}
