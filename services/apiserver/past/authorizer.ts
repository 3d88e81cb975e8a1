import type { AuthorizationAttributes, Authorizer } from "../request.ts";

const READS: ReadonlySet<string> = new Set(["get", "list", "watch", "head"]);
/** What only the nodes of the present could answer. */
const OF_NODES: ReadonlySet<string> = new Set(["log", "exec", "attach", "portforward", "proxy"]);
/** Asking who may do what changes nothing. */
const REVIEWS: ReadonlySet<string> = new Set(["authorization.k8s.io", "authentication.k8s.io"]);

/**
 * Lets the administrator read everything of a past moment, and nobody do anything else: whoever may
 * not read Secrets now has no business with those of the past.
 */
export function pastAuthorizer(describe: () => string): Authorizer {
  return {
    authorize(attributes) {
      const reason = reasonAgainst(attributes);
      if (reason === undefined) return { allowed: true, reason: "" };
      return { allowed: false, reason: `this server shows ${describe()}, ${reason}` };
    },
  };
}

function reasonAgainst({ user, verb, subresource, group, path }: AuthorizationAttributes) {
  if (!user.groups.includes("system:masters")) return "to its administrator alone";
  if (path !== undefined) return READS.has(verb) ? undefined : "and takes no changes";
  if (OF_NODES.has(subresource)) {
    return `and only running nodes can answer a request for ${subresource}`;
  }
  if (READS.has(verb) || REVIEWS.has(group)) return undefined;
  return "and takes no changes";
}
