import { createHash } from "node:crypto";

/** A document that is built once and then served as it is. */
export interface Document {
  readonly bytes: Buffer;
  /** Strong validator, quoted, as the ETag header has it. */
  readonly etag: string;
}

export function documentOf(content: Buffer | object): Document {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  return { bytes, etag: `"${hashOf(bytes)}"` };
}

/** The content's hash as upper-case hexadecimal digits. */
export function hashOf(bytes: Buffer): string {
  return createHash("sha512").update(bytes).digest("hex").toUpperCase();
}
