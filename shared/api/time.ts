/** Kubernetes' time formats, from and to milliseconds since the Unix epoch. */

/** Most times that are formatted are the present second. */
let last = { second: Number.NaN, text: "" };

/** `metav1.Time`: RFC 3339 in UTC, whole seconds. */
export function formatTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== last.second) {
    last = { second, text: new Date(second * 1000).toISOString().replace(".000Z", "Z") };
  }
  return last.text;
}

/** `metav1.MicroTime`: RFC 3339 in UTC with six decimals. */
export function formatMicroTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** Milliseconds since the epoch of an RFC 3339 text; undefined when it is absent or not one. */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
