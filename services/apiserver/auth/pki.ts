import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { createCertificate, type Subject, subjectAltNameOf } from "./certificate.ts";

/** Keys and certificates of a cluster, all PEM, as they lie under `<data>/pki/`. */
export interface Pki {
  readonly ca: KeyPair;
  /** What the apiserver serves with. */
  readonly apiserver: KeyPair;
  /** Client certificate of the administrator (group `system:masters`). */
  readonly admin: KeyPair;
  /** Signs service account tokens (ECDSA P-256). */
  readonly serviceAccountKey: string;
}

export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;
const AUTHORITY_LIFE_MS = 3_650 * DAY_MS;
const CERTIFICATE_LIFE_MS = 365 * DAY_MS;
/** A certificate with less than this left is replaced at the next look. */
const RENEW_BEFORE_MS = 60 * DAY_MS;
/** Clocks of clients may be behind. */
const BACKDATE_MS = 3_600_000;

const AUTHORITY: Subject = { commonName: "coxswain" };
const ADMIN: Subject = { commonName: "kubernetes-admin", organizations: ["system:masters"] };
const APISERVER: Subject = { commonName: "kube-apiserver" };
const SERVER_NAMES = [
  "localhost",
  "127.0.0.1",
  "::1",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];

/**
 * Reads the cluster's keys and certificates, writing what is missing, does not fit together or is
 * about to expire. `names` are the apiserver's addresses and host names beyond those that every
 * cluster has (service address, node bridge, ...). Safe to call by several processes at once, and
 * cheap when there is nothing to do.
 */
export function ensurePki(dataDirectory: string, names: readonly string[], runtime: Runtime): Pki {
  const directory = join(dataDirectory, "pki");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = new PkiFolder(directory, runtime);
  const ca = files.pair("ca", { subject: AUTHORITY, usage: "authority" });
  const serviceAccountKey = files.key("sa.key");
  files.publicKey("sa.pub", serviceAccountKey);
  return {
    ca,
    serviceAccountKey,
    apiserver: files.pair(
      "apiserver",
      { subject: APISERVER, usage: "server", names: [...new Set([...SERVER_NAMES, ...names])] },
      ca,
    ),
    admin: files.pair("admin", { subject: ADMIN, usage: "client" }, ca),
  };
}

interface Wanted {
  readonly subject: Subject;
  readonly usage: "authority" | "server" | "client";
  readonly names?: readonly string[];
}

class PkiFolder {
  readonly #directory: string;
  readonly #runtime: Runtime;

  constructor(directory: string, runtime: Runtime) {
    this.#directory = directory;
    this.#runtime = runtime;
  }

  /** A private key; the first process to write it wins, all use that one. */
  key(name: string): string {
    const path = join(this.#directory, name);
    const present = readIfThere(path);
    if (present !== undefined) {
      chmodSync(path, 0o600);
      return present;
    }
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const fresh = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const temporary = this.#temporary(path, fresh);
    try {
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      unlinkSync(temporary);
    }
    return readFileSync(path, "utf8");
  }

  /** The public half, for others who verify. */
  publicKey(name: string, privateKey: string): void {
    const path = join(this.#directory, name);
    const wanted = createPublicKey(privateKey).export({ type: "spki", format: "pem" }) as string;
    if (readIfThere(path) !== wanted) renameSync(this.#temporary(path, wanted), path);
  }

  /** A key and its certificate; without an issuer it signs itself. */
  pair(name: string, wanted: Wanted, issuer?: KeyPair): KeyPair {
    const key = this.key(`${name}.key`);
    const path = join(this.#directory, `${name}.crt`);
    const present = readIfThere(path);
    const now = this.#runtime.clock.now();
    if (present !== undefined && serves(present, key, wanted, issuer, now)) {
      return { certificate: present, key };
    }
    const authority = wanted.usage === "authority";
    const certificate = createCertificate({
      ...wanted,
      key: createPrivateKey(key),
      issuer: { subject: AUTHORITY, key: createPrivateKey(issuer?.key ?? key) },
      serial: this.#runtime.random.stream("pki").bytes(16),
      notBefore: now - BACKDATE_MS,
      notAfter: now + (authority ? AUTHORITY_LIFE_MS : CERTIFICATE_LIFE_MS),
    });
    renameSync(this.#temporary(path, certificate), path);
    return { certificate, key };
  }

  /** Writes a durable file next to `path`, under a name of its own. */
  #temporary(path: string, content: string): string {
    const suffix = Buffer.from(this.#runtime.random.stream("pki").bytes(6)).toString("hex");
    const temporary = `${path}.${suffix}`;
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return temporary;
  }
}

function serves(
  certificate: string,
  key: string,
  wanted: Wanted,
  issuer: KeyPair | undefined,
  now: number,
): boolean {
  try {
    const parsed = new X509Certificate(certificate);
    const authority = issuer === undefined ? parsed : new X509Certificate(issuer.certificate);
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return false;
    if (!parsed.checkIssued(authority) || !parsed.verify(authority.publicKey)) return false;
    if (Date.parse(parsed.validTo) - now < RENEW_BEFORE_MS) return false;
    if (Date.parse(parsed.validFrom) > now) return false;
    const names = new Set((parsed.subjectAltName ?? "").split(", "));
    return (wanted.names ?? []).every((name) => names.has(subjectAltNameOf(name)));
  } catch {
    return false;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
