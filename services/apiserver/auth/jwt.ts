import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";

/**
 * Signed JSON Web Tokens (RFC 7515, 7519), ES256 only: one algorithm, so that a token cannot choose
 * how it is checked.
 */
export interface SigningKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A signing key from its PEM. Its id is the hash of the public half, as Kubernetes names keys. */
export function signingKey(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ type: "spki", format: "der" });
  const id = createHash("sha256").update(der).digest("base64url");
  return { id, privateKey, publicKey };
}

/** The token for these claims. */
export function signToken(key: SigningKey, claims: Readonly<Record<string, unknown>>): string {
  const head = encodePart({ alg: "ES256", kid: key.id });
  const body = encodePart(claims);
  const signature = sign("sha256", Buffer.from(`${head}.${body}`), {
    key: key.privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return `${head}.${body}.${signature.toString("base64url")}`;
}

/** The claims of a token whose signature holds; undefined for anything else. Checks no times. */
export function openToken(
  keys: readonly SigningKey[],
  token: string,
): Readonly<Record<string, unknown>> | undefined {
  const [head, body, signature, ...more] = token.split(".");
  if (!head || !body || !signature || more.length > 0) return undefined;
  const header = decodePart(head);
  if (header?.["alg"] !== "ES256" || header["crit"] !== undefined) return undefined;
  const key = keys.find(({ id }) => id === header["kid"]);
  if (key === undefined) return undefined;
  const valid = verify(
    "sha256",
    Buffer.from(`${head}.${body}`),
    { key: key.publicKey, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  return valid ? decodePart(body) : undefined;
}

/** The public keys as a JSON Web Key Set. */
export function keySet(keys: readonly SigningKey[]): { keys: Record<string, unknown>[] } {
  return {
    keys: keys.map(({ id, publicKey }) => ({
      use: "sig",
      ...publicKey.export({ format: "jwk" }),
      kid: id,
      alg: "ES256",
    })),
  };
}

function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}

function decodePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
