import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import {
  bitString,
  boolean,
  context,
  contextPrimitive,
  type Der,
  integer,
  octetString,
  oid,
  pem,
  sequence,
  set,
  time,
  utf8String,
} from "./der.ts";

/** Kubernetes reads the user from the common name and the groups from the organizations. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
}

export interface CertificateRequest {
  readonly subject: Subject;
  readonly usage: "authority" | "server" | "client";
  /** Of the subject; its public half goes into the certificate. */
  readonly key: KeyObject;
  readonly issuer: { readonly subject: Subject; readonly key: KeyObject };
  /** At least 8 random bytes. */
  readonly serial: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DNS names and IP addresses of a server. */
  readonly names?: readonly string[];
}

const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const EXTENDED_USAGE = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;

/** Writes an X.509 version 3 certificate (RFC 5280) over elliptic curve keys. @returns PEM */
export function createCertificate(request: CertificateRequest): string {
  const serial = Buffer.from(request.serial);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    context(0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_WITH_SHA256,
    nameOf(request.issuer.subject),
    sequence(time(request.notBefore), time(request.notAfter)),
    nameOf(request.subject),
    spkiOf(request.key),
    context(3, sequence(...extensions(request))),
  );
  const signature = sign("sha256", body, request.issuer.key);
  return pem("CERTIFICATE", sequence(body, ECDSA_WITH_SHA256, bitString(signature)));
}

/** No host name has a colon; Node's own answer takes 5 ms the first time. */
function isIPv6(name: string): boolean {
  return name.includes(":");
}

/** How an address appears in `X509Certificate.subjectAltName`, for comparison. */
export function subjectAltNameOf(name: string): string {
  if (isIPv4(name)) return `IP Address:${name}`;
  return isIPv6(name) ? `IP Address:${longAddress(name)}` : `DNS:${name}`;
}

function extensions(request: CertificateRequest): Der[] {
  const authority = request.usage === "authority";
  const result = [
    extension("2.5.29.19", true, authority ? sequence(boolean(true)) : sequence()),
    extension("2.5.29.14", false, octetString(keyIdentifier(request.key))),
    extension("2.5.29.35", false, sequence(contextPrimitive(0, keyIdentifier(request.issuer.key)))),
    // keyCertSign and cRLSign, or digitalSignature
    extension(
      "2.5.29.15",
      true,
      authority ? bitString(Buffer.from([0x06]), 1) : bitString(Buffer.from([0x80]), 7),
    ),
  ];
  if (request.usage !== "authority") {
    result.push(extension("2.5.29.37", false, sequence(oid(EXTENDED_USAGE[request.usage]))));
  }
  if (request.names !== undefined && request.names.length > 0) {
    result.push(extension("2.5.29.17", false, sequence(...request.names.map(generalName))));
  }
  return result;
}

function extension(id: string, critical: boolean, value: Der): Der {
  const parts = critical ? [oid(id), boolean(true)] : [oid(id)];
  return sequence(...parts, octetString(value));
}

function nameOf(subject: Subject): Der {
  const attribute = (id: string, value: string) => set(sequence(oid(id), utf8String(value)));
  return sequence(
    ...(subject.organizations ?? []).map((organization) => attribute("2.5.4.10", organization)),
    attribute("2.5.4.3", subject.commonName),
  );
}

function generalName(name: string): Der {
  if (!isIPv4(name) && !isIPv6(name)) return contextPrimitive(2, Buffer.from(name, "ascii"));
  return contextPrimitive(7, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  return Buffer.from(
    longAddress(address)
      .split(":")
      .map((group) => group.padStart(4, "0"))
      .join(""),
    "hex",
  );
}

/** An IPv6 address with all its eight groups, as OpenSSL prints it. */
function longAddress(address: string): string {
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const before = groups(head);
  const after = groups(tail ?? "");
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(missing).fill("0"), ...after].join(":").toUpperCase();
}

function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

/** SHA-1 over the public point: the last 65 bytes of a P-256 key's SubjectPublicKeyInfo. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash("sha1").update(spkiOf(key).subarray(-65)).digest();
}
