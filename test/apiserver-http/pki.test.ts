import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parse } from "yaml";
import { writeKubeconfig } from "../../services/apiserver/auth/kubeconfig.ts";
import { ensurePki } from "../../services/apiserver/auth/pki.ts";
import {
  ensureTokenFile,
  parseTokenFile,
  tokenHash,
} from "../../services/apiserver/auth/token-file.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { ManualRuntime } from "../streams/manual-runtime.ts";

let directory: string;
const DAY_MS = 86_400_000;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "pki-"));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const runtime = liveRuntime();

test("everything is signed by the authority and for its use", () => {
  const pki = ensurePki(directory, ["10.96.0.1", "172.30.0.1", "fd00::1", "box"], runtime);
  const ca = new X509Certificate(pki.ca.certificate);
  const server = new X509Certificate(pki.apiserver.certificate);
  const admin = new X509Certificate(pki.admin.certificate);
  expect(ca.ca).toBe(true);
  expect(server.verify(ca.publicKey) && server.checkIssued(ca)).toBe(true);
  expect(admin.verify(ca.publicKey) && admin.checkIssued(ca)).toBe(true);
  for (const name of ["localhost", "kubernetes.default.svc.cluster.local", "box"]) {
    expect(server.checkHost(name), name).toBe(name);
  }
  for (const address of ["127.0.0.1", "::1", "10.96.0.1", "172.30.0.1", "fd00::1"]) {
    expect(server.checkIP(address), address).toBe(address);
  }
  expect(server.checkIP("10.96.0.2")).toBeUndefined();
  expect(server.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  expect(admin.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
  expect(admin.subject).toBe("O=system:masters\nCN=kubernetes-admin");
});

test("files are the owner's only, and stay as they are", () => {
  const first = ensurePki(directory, ["fd00::1", "10.0.0.1"], runtime);
  const folder = join(directory, "pki");
  expect(readdirSync(folder).sort()).toEqual([
    "admin.crt",
    "admin.key",
    "apiserver.crt",
    "apiserver.key",
    "ca.crt",
    "ca.key",
    "sa.key",
    "sa.pub",
  ]);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o777, name).toBe(0o600);
  }
  expect(ensurePki(directory, ["fd00::1"], runtime)).toEqual(first);
});

test("a certificate is renewed for a new name, before it expires, and when it is damaged", () => {
  const clock = new ManualRuntime(Date.now());
  const first = ensurePki(directory, [], clock);
  const named = ensurePki(directory, ["10.0.0.9"], clock);
  expect(named.apiserver.certificate).not.toBe(first.apiserver.certificate);
  expect(named.apiserver.key).toBe(first.apiserver.key);
  expect(named.admin).toEqual(first.admin);
  clock.advance(300 * DAY_MS);
  expect(ensurePki(directory, ["10.0.0.9"], clock)).toEqual(named);
  clock.advance(10 * DAY_MS);
  const later = ensurePki(directory, ["10.0.0.9"], clock);
  expect(later.ca).toEqual(first.ca);
  expect(later.admin.certificate).not.toBe(first.admin.certificate);
  writeFileSync(join(directory, "pki", "apiserver.crt"), "rubbish");
  const repaired = ensurePki(directory, [], clock);
  const ca = new X509Certificate(repaired.ca.certificate);
  expect(new X509Certificate(repaired.apiserver.certificate).verify(ca.publicKey)).toBe(true);
});

test("a new authority takes everything with it", () => {
  const first = ensurePki(directory, [], runtime);
  rmSync(join(directory, "pki", "ca.key"));
  rmSync(join(directory, "pki", "ca.crt"));
  const second = ensurePki(directory, [], runtime);
  expect(second.ca.certificate).not.toBe(first.ca.certificate);
  const ca = new X509Certificate(second.ca.certificate);
  for (const pair of [second.apiserver, second.admin]) {
    expect(new X509Certificate(pair.certificate).verify(ca.publicKey)).toBe(true);
  }
});

test("both ends of a TLS connection accept one another", async () => {
  const pki = ensurePki(directory, [], runtime);
  const server = createTlsServer({
    cert: pki.apiserver.certificate,
    key: pki.apiserver.key,
    ca: pki.ca.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const accepted = new Promise<TLSSocket>((resolve) => server.on("secureConnection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    ca: pki.ca.certificate,
    cert: pki.admin.certificate,
    key: pki.admin.key,
  });
  const socket = await accepted;
  expect(socket.authorized).toBe(true);
  expect(socket.getPeerCertificate().subject).toMatchObject({ CN: "kubernetes-admin" });
  client.destroy();
  server.close();
});

test("the kubeconfig holds all that a client needs", () => {
  const pki = ensurePki(directory, [], runtime);
  const path = join(directory, "kubeconfig");
  writeKubeconfig(path, pki, "https://127.0.0.1:6443");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const config = parse(readFileSync(path, "utf8"));
  const decode = (text: string) => Buffer.from(text, "base64").toString("utf8");
  expect(config["current-context"]).toBe("coxswain");
  expect(config.clusters[0].cluster.server).toBe("https://127.0.0.1:6443");
  expect(decode(config.clusters[0].cluster["certificate-authority-data"])).toBe(pki.ca.certificate);
  expect(decode(config.users[0].user["client-key-data"])).toBe(pki.admin.key);
});

test("the token file is made once, and read as Kubernetes reads it", () => {
  const path = join(directory, "tokens.csv");
  const users = ensureTokenFile(path, runtime);
  expect([...users.values()]).toEqual([
    { username: "kubernetes-admin", groups: ["system:masters", "system:authenticated"] },
  ]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(ensureTokenFile(path, runtime)).toEqual(users);
  const parsed = parseTokenFile('# who\nt1,ann,u1,"a,b"\r\nt2,bob,,\nt3,eve,u3\n\n');
  expect(parsed.get(tokenHash("t1"))).toEqual({
    username: "ann",
    uid: "u1",
    groups: ["a", "b", "system:authenticated"],
  });
  expect(parsed.get(tokenHash("t2"))?.groups).toEqual(["system:authenticated"]);
  expect(parsed.get(tokenHash("t3"))?.uid).toBe("u3");
  expect(() => parseTokenFile("t1,ann,u1\nrubbish")).toThrow("token file, line 2");
});
