import { unauthorizedAction } from "../../shared/api/errors.ts";
import type { EngineContext } from "./context.ts";
import type { AuthorizationAttributes } from "./request.ts";

/** @throws StatusError Forbidden, in Kubernetes' words */
export function authorize(
  context: Pick<EngineContext, "authorizer">,
  attributes: AuthorizationAttributes,
): void {
  const { user, verb, group, resource, subresource, name } = attributes;
  // A namespace lies in itself, so that a role in it may speak of it, as upstream.
  const itself = resource === "namespaces" && group === "" && name !== "";
  const asked = itself ? { ...attributes, namespace: name } : attributes;
  const { allowed, reason } = context.authorizer.authorize(asked);
  if (allowed) return;
  throw unauthorizedAction({
    user: user.username,
    verb,
    group,
    resource,
    subresource,
    namespace: asked.namespace,
    name,
    reason,
  });
}
