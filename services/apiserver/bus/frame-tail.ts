import { withoutManagedFields } from "../../../shared/api/lean.ts";
import type { Revision } from "../../../shared/store/store.ts";
import type { Entry } from "../../../shared/store/view.ts";

/** The part of a frame behind its sequence number; the same for all consumers of a change. */
export type FrameTail = Buffer;

/** The frame without its opening brace. */
export function encodeFrame(frame: Record<string, unknown>): FrameTail {
  return Buffer.from(JSON.stringify(frame).slice(1));
}

/** `withObject` false: it was deleted, or is no longer selected. */
export function versionTail(entry: Entry, revision: Revision, withObject: boolean): FrameTail {
  const head = encodeFrame({ type: "version", key: entry.key, revision });
  if (!withObject) return head;
  const open = head.subarray(0, head.length - 1);
  const object = withoutManagedFields(entry.bytes);
  return Buffer.concat([open, Buffer.from(',"object":'), object, Buffer.from("}")]);
}
