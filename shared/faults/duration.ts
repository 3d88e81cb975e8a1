import { z } from "zod";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `250`, `250ms`, `1.5s`, `2m`, `1h30m`, `-2s`; undefined when it is none. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^(-?)((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/.exec(value.trim());
  if (match === null) return undefined;
  let sum = 0;
  for (const [, count, unit] of (match[2] as string).matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    sum += Number(count) * (UNITS[unit as string] as number);
  }
  return match[1] === "-" ? -sum : sum;
}

/** `5s`, `250 ms`, `2m30s`: for people. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min${seconds % 60 === 0 ? "" : ` ${seconds % 60} s`}`;
}

/** From the least to the most, milliseconds; drawn from evenly. */
export type Range = readonly [least: number, most: number];

const HELP = "takes milliseconds or a duration such as 250ms, 5s or 2m";

function durationOf(value: unknown, context: z.RefinementCtx, signed: boolean): number {
  const ms = parseDuration(value);
  if (ms !== undefined && (signed || ms >= 0)) return ms;
  context.addIssue({ code: "custom", message: HELP, input: value });
  return z.NEVER;
}

export const duration = z
  .unknown()
  .transform((value, context) => durationOf(value, context, false));

function rangeOf(signed: boolean) {
  return z.unknown().transform((value, context): Range => {
    const parts: unknown[] = Array.isArray(value) ? value : [value, value];
    const [least, most] = parts.map((part) => durationOf(part, context, signed));
    if (parts.length === 2 && least !== undefined && most !== undefined && least <= most) {
      return [least, most];
    }
    const message = `${HELP}, or [least, most] of them`;
    context.addIssue({ code: "custom", message, input: value });
    return z.NEVER;
  });
}

/** One duration, or `[least, most]`. */
export const range = rangeOf(false);
/** The same, also below zero. */
export const signedRange = rangeOf(true);
