import { createVerify, generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import { Authenticator } from "../../services/apiserver/auth/authenticate.ts";
import { RbacAuthorizer } from "../../services/apiserver/auth/authorize.ts";
import { signingKey } from "../../services/apiserver/auth/jwt.ts";
import { parseTokenFile } from "../../services/apiserver/auth/token-file.ts";
import { DEFAULT_ISSUER, ServiceAccountTokens } from "../../services/apiserver/auth/tokens.ts";
import { ManualRuntime } from "../streams/manual-runtime.ts";
import { clusterOf } from "./fixture.ts";

const KEY = pemOf();
const account = (uid = "sa-1") => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name: "robot", namespace: "dev", uid },
});
const pod = (uid = "pod-1", more: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "dev", uid, ...more },
});
const GRANT = {
  namespace: "dev",
  serviceAccount: { name: "robot", uid: "sa-1" },
  audiences: [],
  expirationSeconds: 3600,
};
const BOUND = {
  ...GRANT,
  boundTo: { kind: "Pod", name: "web", uid: "pod-1" } as const,
  node: { name: "n1", uid: "node-1" },
};

function pemOf(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

async function fixture() {
  const cluster = await clusterOf([
    ["serviceaccounts", account()],
    ["pods", pod()],
  ]);
  const runtime = new ManualRuntime();
  const tokens = new ServiceAccountTokens({ runtime, keys: [KEY], cluster: cluster.projection });
  return { cluster, runtime, tokens };
}

test("a token stands for its service account, its pod and its node", async () => {
  const { tokens, runtime } = await fixture();
  const { token, expiresAt } = tokens.issue(BOUND);
  expect(expiresAt).toBe(runtime.clock.now() + 3_600_000);
  const review = tokens.verify(token);
  if (!review.valid) throw new Error(review.error);
  const jti = claimsOf(token)["jti"];
  expect(review).toEqual({
    valid: true,
    audiences: [DEFAULT_ISSUER],
    user: {
      username: "system:serviceaccount:dev:robot",
      uid: "sa-1",
      groups: ["system:serviceaccounts", "system:serviceaccounts:dev", "system:authenticated"],
      extra: {
        "authentication.kubernetes.io/credential-id": [`JTI=${jti}`],
        "authentication.kubernetes.io/node-name": ["n1"],
        "authentication.kubernetes.io/node-uid": ["node-1"],
        "authentication.kubernetes.io/pod-name": ["web"],
        "authentication.kubernetes.io/pod-uid": ["pod-1"],
      },
    },
  });
});

test("its claims are those of Kubernetes", async () => {
  const { tokens, runtime } = await fixture();
  const now = runtime.clock.now() / 1000;
  expect(claimsOf(tokens.issue(BOUND).token)).toMatchObject({
    aud: [DEFAULT_ISSUER],
    exp: now + 3600,
    iat: now,
    nbf: now,
    iss: DEFAULT_ISSUER,
    sub: "system:serviceaccount:dev:robot",
    "kubernetes.io": {
      namespace: "dev",
      serviceaccount: { name: "robot", uid: "sa-1" },
      pod: { name: "web", uid: "pod-1" },
      node: { name: "n1", uid: "node-1" },
    },
  });
});

test("it ends with its time, and counts for its audiences only", async () => {
  const { tokens, runtime } = await fixture();
  const { token } = tokens.issue({ ...GRANT, audiences: ["vault", "other"] });
  expect(tokens.verify(token)).toMatchObject({ valid: false });
  expect(tokens.verify(token, ["vault", "x"])).toMatchObject({ audiences: ["vault"] });
  runtime.advance(3_599_000);
  expect(tokens.verify(token, ["vault"]).valid).toBe(true);
  runtime.advance(1_000);
  expect(tokens.verify(token, ["vault"])).toEqual({
    valid: false,
    error: "service account token has expired",
  });
});

test("it ends with what it is bound to", async () => {
  const { tokens, cluster } = await fixture();
  const free = tokens.issue(GRANT).token;
  const bound = tokens.issue(BOUND).token;
  const invalidated = { valid: false, error: "service account token has been invalidated" };
  await cluster.put("pods", pod("pod-2"));
  expect(tokens.verify(bound)).toEqual(invalidated);
  expect(tokens.verify(free).valid).toBe(true);
  await cluster.put("pods", pod());
  expect(tokens.verify(bound).valid).toBe(true);
  await cluster.remove("pods", "dev", "web");
  expect(tokens.verify(bound)).toEqual(invalidated);
  await cluster.put("serviceaccounts", account("sa-2"));
  expect(tokens.verify(free)).toEqual(invalidated);
});

test("a pod that is being deleted keeps its token for its grace and a minute", async () => {
  const { tokens, cluster, runtime } = await fixture();
  const { token } = tokens.issue(BOUND);
  const deletionTimestamp = new Date(runtime.clock.now() + 30_000).toISOString();
  await cluster.put("pods", pod("pod-1", { deletionTimestamp }));
  runtime.advance(89_000);
  expect(tokens.verify(token).valid).toBe(true);
  runtime.advance(2_000);
  expect(tokens.verify(token).valid).toBe(false);
});

test("tokens of a former key count; those of others, and changed ones, do not", async () => {
  const { cluster, runtime, tokens } = await fixture();
  const { token } = tokens.issue(GRANT);
  const other = new ServiceAccountTokens({
    runtime,
    keys: [pemOf(), KEY],
    cluster: cluster.projection,
  });
  expect(other.verify(token).valid).toBe(true);
  expect(tokens.verify(other.issue(GRANT).token).valid).toBe(false);
  const [head = "", body = "", signature = ""] = token.split(".");
  const claims = { ...claimsOf(token), sub: "system:serviceaccount:kube-system:root" };
  const forged = Buffer.from(JSON.stringify(claims)).toString("base64url");
  const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
  const hmac = Buffer.from(JSON.stringify({ alg: "HS256", kid: signingKey(KEY).id })).toString(
    "base64url",
  );
  for (const bad of [
    `${head}.${forged}.${signature}`,
    `${none}.${body}.`,
    `${none}.${body}.${signature}`,
    `${hmac}.${body}.${signature}`,
    `${head}.${body}`,
    `${head}.${body}.${signature}.x`,
    `${head}.${body}.AAAA`,
    "rubbish",
    "..",
    "",
  ]) {
    expect(tokens.verify(bad), bad).toEqual({ valid: false, error: "invalid bearer token" });
  }
});

test("a token with a good signature and bad claims is refused", async () => {
  const { tokens } = await fixture();
  const key = signingKey(KEY);
  const head = Buffer.from(JSON.stringify({ alg: "ES256", kid: key.id })).toString("base64url");
  const claims = claimsOf(tokens.issue(GRANT).token);
  const signed = (changed: object) => {
    const body = Buffer.from(JSON.stringify({ ...claims, ...changed })).toString("base64url");
    const signature = sign("sha256", Buffer.from(`${head}.${body}`), {
      key: key.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${head}.${body}.${signature.toString("base64url")}`;
  };
  expect(tokens.verify(signed({})).valid).toBe(true);
  for (const changed of [
    { iss: "https://elsewhere" },
    { sub: "system:serviceaccount:kube-system:root" },
    { aud: "not a list" },
    { exp: "later" },
    { "kubernetes.io": {} },
  ]) {
    expect(tokens.verify(signed(changed)).valid, JSON.stringify(changed)).toBe(false);
  }
});

test("the published key checks a token's signature", async () => {
  const { tokens } = await fixture();
  const { token } = tokens.issue(GRANT);
  const { createPublicKey } = await import("node:crypto");
  const [jwk] = (tokens.keySet() as { keys: [{ kid: string }] }).keys;
  const [head = "", body = "", signature = ""] = token.split(".");
  expect(JSON.parse(Buffer.from(head, "base64url").toString()).kid).toBe(jwk.kid);
  const key = createPublicKey({ key: jwk as never, format: "jwk" });
  const check = createVerify("sha256").update(`${head}.${body}`);
  const valid = check.verify(
    { key, dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  expect(valid).toBe(true);
});

async function authenticator() {
  const { cluster, tokens } = await fixture();
  const authorizer = new RbacAuthorizer(cluster.projection);
  const staticTokens = parseTokenFile('secret,admin,uid-1,"system:masters"\nplain,ann,,dev\n');
  const options = { tokens, authorizer, staticTokens };
  return { tokens, options, authenticator: new Authenticator(options) };
}

test("who is who", async () => {
  const { authenticator: who, tokens } = await authenticator();
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  expect(who.authenticate({})).toEqual({
    username: "system:anonymous",
    groups: ["system:unauthenticated"],
  });
  expect(who.authenticate(bearer("secret"))).toEqual({
    username: "admin",
    uid: "uid-1",
    groups: ["system:masters", "system:authenticated"],
  });
  expect(who.authenticate(bearer("plain")).groups).toEqual(["dev", "system:authenticated"]);
  const { token } = tokens.issue(GRANT);
  const name = "system:serviceaccount:dev:robot";
  expect(who.authenticate(bearer(token)).username).toBe(name);
  expect(who.authenticate({ authorization: `bearer ${token}` }).username).toBe(name);
  const carried = Buffer.from(token).toString("base64url");
  const protocols = `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${carried}`;
  expect(who.authenticate({ "sec-websocket-protocol": protocols }).username).toBe(name);
  const certificate = { valid: true, commonName: "jane", organizations: ["dev", "ops"] };
  expect(who.authenticate({}, certificate)).toEqual({
    username: "jane",
    groups: ["dev", "ops", "system:authenticated"],
  });
  expect(who.authenticate({ authorization: "Basic eDp5" }).username).toBe("system:anonymous");
});

test("wrong credentials are no credentials at all", async () => {
  const { authenticator: who, options } = await authenticator();
  const bad = { valid: false, commonName: "jane", organizations: [] };
  for (const check of [
    () => who.authenticate({ authorization: "Bearer wrong" }),
    () => who.authenticate({}, bad),
    () => new Authenticator({ ...options, anonymous: false }).authenticate({}),
  ]) {
    expect(check).toThrow(
      expect.objectContaining({
        body: expect.objectContaining({
          code: 401,
          reason: "Unauthorized",
          message: "Unauthorized",
        }),
      }),
    );
  }
  expect(who.authenticate({ authorization: "Bearer secret" }, bad).username).toBe("admin");
});

test("impersonation needs a right for each thing that is claimed", async () => {
  const { cluster, tokens } = await fixture();
  const GROUP = "rbac.authorization.k8s.io";
  await cluster.put(`clusterroles.${GROUP}`, {
    apiVersion: `${GROUP}/v1`,
    kind: "ClusterRole",
    metadata: { name: "actor" },
    rules: [
      { apiGroups: [""], resources: ["users"], verbs: ["impersonate"], resourceNames: ["jane"] },
      { apiGroups: [""], resources: ["groups"], verbs: ["impersonate"], resourceNames: ["dev"] },
      {
        apiGroups: ["authentication.k8s.io"],
        resources: ["userextras/scopes"],
        verbs: ["impersonate"],
        resourceNames: ["view"],
      },
    ],
  });
  await cluster.put(`clusterrolebindings.${GROUP}`, {
    apiVersion: `${GROUP}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "actor" },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: "actor" },
    subjects: [{ kind: "User", name: "ann" }],
  });
  const who = new Authenticator({
    tokens,
    authorizer: new RbacAuthorizer(cluster.projection),
    staticTokens: parseTokenFile("plain,ann,,\nroot,root,,system:masters\n"),
  });
  const as = (headers: Record<string, string>, token = "plain") => {
    return who.authenticate({ authorization: `Bearer ${token}`, ...headers });
  };
  const jane = { "impersonate-user": "jane" };
  expect(as({ ...jane, "impersonate-group": "dev", "impersonate-extra-scopes": "view" })).toEqual({
    username: "jane",
    groups: ["dev", "system:authenticated"],
    extra: { scopes: ["view"] },
  });
  expect(() => as({ "impersonate-user": "john" })).toThrow(/cannot impersonate resource "users"/);
  expect(() => as({ ...jane, "impersonate-group": "ops" })).toThrow(
    'groups "ops" is forbidden: User "ann" cannot impersonate resource "groups" ' +
      'in API group "" at the cluster scope',
  );
  expect(() => as({ ...jane, "impersonate-uid": "1" })).toThrow(
    /cannot impersonate resource "uids" in API group "authentication.k8s.io"/,
  );
  expect(() => as({ ...jane, "impersonate-extra-scopes": "edit" })).toThrow(
    /cannot impersonate resource "userextras\/scopes"/,
  );
  expect(() => as({ "impersonate-group": "dev" })).toThrow(/without impersonating a user/);
  const robot = { "impersonate-user": "system:serviceaccount:dev:robot" };
  expect(as(robot, "root").groups).toEqual([
    "system:serviceaccounts",
    "system:serviceaccounts:dev",
    "system:authenticated",
  ]);
  expect(as({ "impersonate-user": "system:anonymous" }, "root").groups).toEqual([
    "system:unauthenticated",
  ]);
});

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
}
