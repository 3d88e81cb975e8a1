import type { IncomingHttpHeaders } from "node:http";
import { unauthorized } from "../../../shared/api/errors.ts";
import type { Authorizer, UserInfo } from "../request.ts";
import { impersonate } from "./impersonate.ts";
import { type StaticTokens, tokenHash } from "./token-file.ts";
import type { TokenIssuer } from "./tokens.ts";

/** The certificate that a client showed, as the TLS layer checked it. */
export interface ClientCertificate {
  /** False: not signed by the cluster's authority, expired, ... */
  readonly valid: boolean;
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export interface AuthenticatorOptions {
  readonly tokens: TokenIssuer;
  readonly staticTokens?: StaticTokens;
  /** Decides about impersonation. */
  readonly authorizer: Authorizer;
  /** Let requests without credentials in as `system:anonymous`. Default true, as Kubernetes. */
  readonly anonymous?: boolean;
}

const ANONYMOUS: UserInfo = { username: "system:anonymous", groups: ["system:unauthenticated"] };
const AUTHENTICATED = "system:authenticated";
/** How browsers' WebSockets, which cannot set headers, carry a bearer token. */
const WEBSOCKET_BEARER = "base64url.bearer.authorization.k8s.io.";

/** Finds out who asks. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  /** Users by the certificate of their connection. */
  readonly #certified = new WeakMap<ClientCertificate, UserInfo>();
  /** Static tokens that were found, so that a token is hashed once and not with each request. */
  readonly #known = new Map<string, UserInfo>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * The user that the request acts as: by client certificate, bearer token, or anonymous; then
   * whoever it impersonates, when it may.
   * @throws StatusError 401 when credentials were given but none holds, 403 when the user may not
   *   impersonate.
   */
  authenticate(headers: IncomingHttpHeaders, certificate?: ClientCertificate): UserInfo {
    return impersonate(headers, this.#user(headers, certificate), this.#options.authorizer);
  }

  #user(headers: IncomingHttpHeaders, certificate: ClientCertificate | undefined): UserInfo {
    if (certificate?.valid && certificate.commonName !== "") {
      let user = this.#certified.get(certificate);
      if (user === undefined) {
        const { commonName, organizations } = certificate;
        user = { username: commonName, groups: [...organizations, AUTHENTICATED] };
        this.#certified.set(certificate, user);
      }
      return user;
    }
    const token = bearerToken(headers);
    if (token !== undefined) {
      const user = this.#userOfToken(token);
      if (user !== undefined) return user;
    }
    const failed = certificate !== undefined || token !== undefined;
    if (failed || this.#options.anonymous === false) throw unauthorized();
    return ANONYMOUS;
  }

  #userOfToken(token: string): UserInfo | undefined {
    const known = this.#known.get(token) ?? this.#options.staticTokens?.get(tokenHash(token));
    if (known !== undefined) {
      this.#known.set(token, known);
      return known;
    }
    const review = this.#options.tokens.verify(token);
    return review.valid ? review.user : undefined;
  }
}

function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  const [scheme, token] = (headers.authorization ?? "").trim().split(" ");
  if (scheme?.toLowerCase() === "bearer" && token) return token;
  const offered = headers["sec-websocket-protocol"];
  if (offered === undefined) return undefined;
  const protocols = offered.split(",").map((one) => one.trim());
  const carrier = protocols.find((one) => one.startsWith(WEBSOCKET_BEARER));
  if (carrier === undefined) return undefined;
  return Buffer.from(carrier.slice(WEBSOCKET_BEARER.length), "base64url").toString("utf8");
}
