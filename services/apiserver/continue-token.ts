import { badRequest } from "../../shared/api/errors.ts";
import type { Revision } from "../../shared/store/store.ts";

/** Where the next page of a list begins. */
export interface Continuation {
  /** The revision that the whole list is read at; -1: the present one, page by page. */
  readonly revision: Revision | -1;
  /** Keys from here on (inclusive), relative to the list's prefix. */
  readonly start: string;
}

const VERSION = "meta.k8s.io/v1";

/** Opaque to clients; the form is upstream's. */
export function encodeContinue({ revision, start }: Continuation): string {
  const token = { v: VERSION, rv: revision, start };
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

/** @throws StatusError BadRequest */
export function decodeContinue(token: string): Continuation {
  const parsed = parse(token);
  if (parsed.v !== VERSION) {
    const version = JSON.stringify(parsed.v ?? "");
    throw wrong(
      `continue key is not valid: server does not recognize this encoded version ${version}`,
    );
  }
  const revision = parsed.rv;
  if (typeof revision !== "number" || !Number.isSafeInteger(revision) || revision === 0) {
    throw wrong(
      `continue key is not valid: incorrect encoded start resourceVersion (version ${VERSION})`,
    );
  }
  if (typeof parsed.start !== "string" || parsed.start === "") {
    throw wrong(`continue key is not valid: encoded start key empty (version ${VERSION})`);
  }
  if (parsed.start.split("/").includes("..")) throw wrong("continue key is not valid");
  return { revision: revision < 0 ? -1 : revision, start: parsed.start };
}

function parse(token: string): Record<string, unknown> {
  try {
    if (!/^[A-Za-z0-9_=-]+$/.test(token)) throw new TypeError("not base64url");
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (typeof value !== "object" || value === null) throw new TypeError("not an object");
    return value as Record<string, unknown>;
  } catch {
    throw wrong("continue key is not valid");
  }
}

function wrong(why: string): Error {
  return badRequest(`invalid continue token: ${why}`);
}
