/** `cox verify`: the invariants over the log of a live cluster, or of a file. */
import { horizonOf } from "../../shared/log/history.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { followLog } from "../verify/follow.ts";
import { INVARIANTS } from "../verify/invariants.ts";
import { verifyStretch } from "../verify/stretch.ts";
import type { Verifier, Violation } from "../verify/verifier.ts";
import { parseMoment, revisionOf, withinHistory } from "./history/moment.ts";
import { type SourceFlags, withHistory } from "./history/open.ts";
import type { Output } from "./history/output.ts";
import { aligned, duration, keyText, type Paint, paintFor, whenText } from "./history/text.ts";
import { UsageError } from "./usage-error.ts";

export interface VerifyFlags extends SourceFlags {
  /** A moment; absent: where history begins. */
  readonly from?: string;
  readonly follow?: boolean;
  readonly output?: "text" | "json";
}

/** Returns the exit code: 1 when an invariant was broken. */
export function verify(flags: VerifyFlags, output: Output): Promise<number> {
  if (flags.follow && flags.log) throw new UsageError("A file does not go on: no --follow.");
  return withHistory(flags, (history) =>
    withinHistory(history, async () => {
      const log = history.logs.cluster;
      const from =
        flags.from === undefined
          ? await horizonOf(log)
          : await revisionOf(log, parseMoment(flags.from, output.now()));
      const to = await log.head();
      const violations: Violation[] = [];
      const show = flags.output === "json" ? jsonLine : textLines(paintFor(output), output.now());
      const onViolation = (violation: Violation): void => {
        violations.push(violation);
        output.write(`${show(violation)}\n`);
      };
      const started = performance.now();
      const { verifier, snapshots } = await verifyStretch(history, { from, to }, onViolation);
      const tell = (): void => {
        const result = { from, verifier, violations, ms: performance.now() - started };
        output.write(flags.output === "json" ? jsonResult(result) : textResult(result));
      };
      tell();
      if (flags.follow) {
        await new Promise<void>((resolve, onFailure) => {
          const runtime = liveRuntime();
          const running = followLog({
            runtime,
            history,
            verifier,
            snapshots,
            onViolation,
            onFailure,
          });
          process.once("SIGINT", () => void running.stop().then(resolve));
          process.once("SIGTERM", () => void running.stop().then(resolve));
        });
        tell();
      }
      return violations.length === 0 ? 0 : 1;
    }),
  );
}

interface Result {
  readonly from: number;
  readonly verifier: Verifier;
  readonly violations: readonly Violation[];
  readonly ms: number;
}

function textResult({ from, verifier, violations, ms }: Result): string {
  const counts = INVARIANTS.map(({ name, promise }) => {
    const broken = violations.filter(({ invariant }) => invariant === name).length;
    return [broken === 0 ? "  ok" : `  broken ${broken} times`, name, promise];
  });
  const { revision, commits, unknown } = verifier;
  const stretch = `revisions ${from}..${revision}, ${commits} commits in ${duration(ms)}`;
  const partly =
    unknown === 0
      ? []
      : [`  of ${unknown} commits it is not known what they were decided on: not judged by it`];
  return `${[stretch, ...aligned(counts), ...partly].join("\n")}\n`;
}

function jsonResult({ from, verifier, violations }: Result): string {
  const { revision: to, commits, unknown } = verifier;
  return `${JSON.stringify({ from, to, commits, unknown, violations: violations.length })}\n`;
}

function jsonLine(violation: Violation): string {
  return JSON.stringify({ ...violation, time: new Date(violation.time).toISOString() });
}

function textLines(paint: Paint, now: number): (violation: Violation) => string {
  return ({ invariant, message, revision, time, key, actor, replica, ...decision }) => {
    const { trace, cause, decidedAt } = decision;
    const who = actor === "user" ? replica : `${actor}/${replica}`;
    const on = decidedAt === undefined ? "" : `, decided on ${decidedAt}`;
    const woken = cause === 0 ? "" : `, woken by ${cause}`;
    return [
      `${paint("red", invariant)}  revision ${revision}, ${whenText(time, now)}: ${message}`,
      paint("dim", `  ${keyText(key)}, written by ${who}${on}${woken}, trace ${trace}`),
    ].join("\n");
  };
}
