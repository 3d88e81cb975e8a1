import { z } from "zod";
import { keyOf } from "../../../shared/api/key.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { View } from "../../../shared/store/view.ts";
import type { UserInfo } from "../request.ts";
import { keySet, openToken, signingKey, signToken } from "./jwt.ts";

/** Issues and checks service account tokens bound to a service account and, mostly, a pod. */
export interface TokenIssuer {
  /** The issuer's URL, and the audience that the apiserver itself accepts. */
  readonly issuer: string;
  readonly audience: string;
  issue(request: TokenGrant): IssuedToken;
  /**
   * The user that a token stands for. Its signature, times and audiences must hold (default: the
   * apiserver's own), and what it is bound to must still exist, by uid.
   */
  verify(token: string, audiences?: readonly string[]): TokenReview;
}

export interface TokenGrant {
  readonly namespace: string;
  readonly serviceAccount: ObjectIdentity;
  /** Empty: the apiserver's own. */
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly boundTo?: ObjectIdentity & { readonly kind: "Pod" | "Secret" | "Node" };
  /** Of the pod that the token is bound to, when it has one. */
  readonly node?: ObjectIdentity;
}

export interface ObjectIdentity {
  readonly name: string;
  readonly uid: string;
}

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

export type TokenReview =
  | { readonly valid: true; user: UserInfo; audiences: readonly string[] }
  | { readonly valid: false; error: string };

const identity = z.object({ name: z.string(), uid: z.string() });
const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.array(z.string()),
  exp: z.number(),
  nbf: z.number(),
  jti: z.string(),
  "kubernetes.io": z.object({
    namespace: z.string(),
    serviceaccount: identity,
    pod: identity.optional(),
    secret: identity.optional(),
    node: identity.optional(),
  }),
});
type Claims = z.infer<typeof claimsSchema>;

export interface TokenIssuerOptions {
  readonly runtime: Runtime;
  /** PEM of the signing key, then of former keys whose tokens still count. */
  readonly keys: readonly [string, ...string[]];
  /** The cluster log: what tokens are bound to is looked up here. */
  readonly cluster: View;
  readonly issuer?: string;
}

const OPENED_MAX = 4096;

export const DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local";

/** The issuer of a cluster, by its service account signing key. */
export class ServiceAccountTokens implements TokenIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly #runtime: Runtime;
  readonly #keys: ReturnType<typeof signingKey>[];
  readonly #cluster: View;
  /** Claims of tokens whose signature was checked: clients send the same one again and again. */
  readonly #opened = new Map<string, Claims>();
  readonly #users = new WeakMap<Claims, UserInfo>();

  constructor(options: TokenIssuerOptions) {
    this.issuer = options.issuer ?? DEFAULT_ISSUER;
    this.audience = this.issuer;
    this.#runtime = options.runtime;
    this.#keys = options.keys.map(signingKey);
    this.#cluster = options.cluster;
  }

  issue(grant: TokenGrant): IssuedToken {
    const now = Math.floor(this.#runtime.clock.now() / 1000);
    const exp = now + grant.expirationSeconds;
    const key = this.#keys[0];
    if (key === undefined) throw new TypeError("no signing key");
    const bound = grant.boundTo;
    const identityOf = ({ name, uid }: ObjectIdentity) => ({ name, uid });
    const token = signToken(key, {
      aud: grant.audiences.length > 0 ? grant.audiences : [this.audience],
      exp,
      iat: now,
      iss: this.issuer,
      jti: this.#runtime.ids.uuid(),
      "kubernetes.io": {
        namespace: grant.namespace,
        ...(grant.node === undefined ? {} : { node: identityOf(grant.node) }),
        ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: identityOf(bound) }),
        serviceaccount: identityOf(grant.serviceAccount),
      },
      nbf: now,
      sub: userNameOf(grant.namespace, grant.serviceAccount.name),
    });
    return { token, expiresAt: exp * 1000 };
  }

  verify(token: string, audiences: readonly string[] = [this.audience]): TokenReview {
    const claims = this.#open(token);
    if (claims === undefined) return invalid("invalid bearer token");
    const now = this.#runtime.clock.now() / 1000;
    if (claims.iss !== this.issuer) return invalid("invalid bearer token");
    if (now >= claims.exp) return invalid("service account token has expired");
    if (now < claims.nbf - 60) return invalid("service account token is not valid yet");
    const common = audiences.filter((audience) => claims.aud.includes(audience));
    if (common.length === 0) {
      const wanted = audiences.map((one) => JSON.stringify(one)).join(" ");
      const given = claims.aud.map((one) => JSON.stringify(one)).join(" ");
      return invalid(`token audiences [${given}] is invalid for the target audiences [${wanted}]`);
    }
    const gone = this.#unbound(claims);
    if (gone !== undefined) return invalid(gone);
    let user = this.#users.get(claims);
    if (user === undefined) {
      user = userOf(claims);
      this.#users.set(claims, user);
    }
    return { valid: true, user, audiences: common };
  }

  /** `/.well-known/openid-configuration`. */
  configuration(): Record<string, unknown> {
    return {
      issuer: this.issuer,
      jwks_uri: `${this.issuer}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
    };
  }

  /** `/openid/v1/jwks`. */
  keySet(): Record<string, unknown> {
    return keySet(this.#keys);
  }

  #open(token: string): Claims | undefined {
    const known = this.#opened.get(token);
    if (known !== undefined) return known;
    const parsed = claimsSchema.safeParse(openToken(this.#keys, token));
    if (!parsed.success) return undefined;
    if (this.#opened.size >= OPENED_MAX) this.#opened.clear();
    this.#opened.set(token, parsed.data);
    return parsed.data;
  }

  /** Why a token no longer counts: what it is bound to is gone or another of the same name. */
  #unbound(claims: Claims): string | undefined {
    const { namespace, serviceaccount, pod, secret, node } = claims["kubernetes.io"];
    if (claims.sub !== userNameOf(namespace, serviceaccount.name)) return "invalid bearer token";
    if (!this.#exists("serviceaccounts", namespace, serviceaccount)) {
      return "service account token has been invalidated";
    }
    if (pod !== undefined && !this.#exists("pods", namespace, pod)) {
      return "service account token has been invalidated";
    }
    if (secret !== undefined && !this.#exists("secrets", namespace, secret)) {
      return "service account token has been invalidated";
    }
    // A pod's token names its node for information only
    if (pod === undefined && node !== undefined && !this.#exists("nodes", "", node)) {
      return "service account token has been invalidated";
    }
    return undefined;
  }

  #exists(resource: string, namespace: string, { name, uid }: ObjectIdentity): boolean {
    const metadata = this.#cluster.get(keyOf(resource, namespace, name))?.object.metadata;
    if (metadata === undefined || metadata.uid !== uid) return false;
    if (metadata.deletionTimestamp === undefined) return true;
    // Being deleted for longer than a minute past its grace counts as gone
    return this.#runtime.clock.now() < Date.parse(metadata.deletionTimestamp) + 60_000;
  }
}

function invalid(error: string): TokenReview {
  return { valid: false, error };
}

function userNameOf(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function userOf(claims: Claims): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims["kubernetes.io"];
  const extra: Record<string, readonly string[]> = {
    "authentication.kubernetes.io/credential-id": [`JTI=${claims.jti}`],
  };
  if (pod !== undefined) {
    extra["authentication.kubernetes.io/pod-name"] = [pod.name];
    extra["authentication.kubernetes.io/pod-uid"] = [pod.uid];
  }
  if (node !== undefined) {
    extra["authentication.kubernetes.io/node-name"] = [node.name];
    extra["authentication.kubernetes.io/node-uid"] = [node.uid];
  }
  return {
    username: claims.sub,
    uid: serviceaccount.uid,
    groups: [
      "system:serviceaccounts",
      `system:serviceaccounts:${namespace}`,
      "system:authenticated",
    ],
    extra,
  };
}
