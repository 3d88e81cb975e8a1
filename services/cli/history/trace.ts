/** `cox trace`: one request or decision through the actors. */
import { type History, horizonOf, readVersions } from "../../../shared/log/history.ts";
import { otlpOf } from "../../../shared/log/otlp.ts";
import { type Span, type SpanWrite, timeOfUlid, traceTree } from "../../../shared/log/trace.ts";
import type { Version } from "../../../shared/store/store.ts";
import { UsageError } from "../usage-error.ts";
import { describeRevision, withinHistory } from "./moment.ts";
import type { Output } from "./output.ts";
import { aligned, clockTime, duration, keyText, type Paint, paintFor } from "./text.ts";

export interface TraceFlags {
  /** Seconds of history behind the request that are looked through. */
  readonly for: number;
  readonly otlp?: string;
  readonly output?: "text" | "json";
}

/** The clock of whoever made the id and that of the log may differ. */
const SKEW_MS = 5_000;
const SPANS_SHOWN = 200;
const SEND_MS = 10_000;

export async function showTrace(
  history: History,
  id: string,
  flags: TraceFlags,
  output: Output,
): Promise<void> {
  const trace = id.toUpperCase();
  const made = timeOfUlid(trace);
  if (made === undefined) {
    throw new UsageError(
      `${JSON.stringify(id)} is no trace: it takes the 26 characters that \`cox log\` shows, ` +
        "or that an answer of the API server has in its header Audit-Id.",
    );
  }
  const root = await withinHistory(history, () => readTrace(history, trace, made, flags.for));
  if (root === undefined) {
    const when = new Date(made).toISOString();
    throw new UsageError(
      `Nothing was written by ${trace}, made at ${when}: it changed nothing, was refused, ` +
        `or is older than the history, which begins at ` +
        `${await describeRevision(history, await horizonOf(history.logs.cluster))}.`,
    );
  }
  if (flags.otlp !== undefined) await send(flags.otlp, root, output);
  else if (flags.output === "json") output.write(`${JSON.stringify(root, null, 2)}\n`);
  else output.write(treeText(root, paintFor(output)));
}

async function readTrace(
  history: History,
  trace: string,
  made: number,
  seconds: number,
): Promise<Span | undefined> {
  const { cluster } = history.logs;
  const [from, to] = [made - SKEW_MS, made + seconds * 1000];
  const after = Math.max(await horizonOf(cluster), await cluster.revisionBefore(from));
  const end = await cluster.revisionBefore(to);
  const { versions: before } = after > 0 ? await cluster.list("", after) : { versions: [] };
  const versions: Version[] = [];
  await readVersions(cluster, { after, to: end }, (version) => {
    versions.push(version);
  });
  const decisions = await history.decisions({ from: from - SKEW_MS, to: to + SKEW_MS });
  return traceTree({ trace, before, versions, decisions });
}

/** A tree: when, who, what and why, and how long it took. */
export function treeText(root: Span, paint: Paint): string {
  const rows: string[][] = [];
  const visit = (span: Span, lead: string, branch: string): void => {
    rows.push(rowOf(span, `${lead}${branch}`, root));
    const inner = lead + (branch === "" ? "" : branch === "└─ " ? "   " : "│  ");
    for (const [index, child] of span.children.entries()) {
      visit(child, inner, index === span.children.length - 1 ? "└─ " : "├─ ");
    }
  };
  visit(root, "", "");
  const shown = aligned(rows.slice(0, SPANS_SHOWN));
  const more = rows.length - shown.length;
  const last = Math.max(...allSpans(root).map(endOf));
  const steps = rows.length === 1 ? "1 step" : `${rows.length} steps`;
  return [
    paint("bold", `trace ${root.trace}`),
    paint(
      "dim",
      `begun ${new Date(root.begun).toISOString()}; ${steps} in ` +
        `${duration(last - root.begun)}` +
        `${root.cause === undefined ? "" : `; woken by revision ${root.cause}`}`,
    ),
    "",
    ...shown,
    ...(more > 0 ? [`and ${more} more steps; -o json has them all`] : []),
    "",
  ].join("\n");
}

function rowOf(span: Span, tree: string, root: Span): string[] {
  const { actor, replica, begun, micros, committed, message, reason, writes, key } = span;
  const commitMs = (committed ?? begun) - begun;
  const [main] = writes.toSorted((a, b) => importance(b, span) - importance(a, span));
  const change = main === undefined ? keyText(key) : `${main.verb} ${keyText(main.key)}`;
  const words = reason ?? main?.change ?? "";
  const others = writes.length > 1 ? ` (and ${writes.length - 1} more)` : "";
  const refused = message === undefined ? "" : `, ${span.outcome}: ${message}`;
  return [
    span === root ? clockTime(begun) : `+${duration(begun - root.begun)}`,
    micros ? `decided in ${duration(micros / 1000)}` : "",
    commitMs > 0 ? `committed in ${duration(commitMs)}` : "",
    revisionsOf(span),
    `${tree}${actor === "user" ? replica : actor}  ` +
      `${change}${others}${words === "" ? "" : `: ${words}`}${refused}`,
  ];
}

/** What comes or goes says more than what is only brought up to date. */
function importance({ key, verb }: SpanWrite, span: Span): number {
  // The log's own records of what nodes hold.
  if (key.startsWith("coxswain.")) return 0;
  if (verb !== "changed") return 3;
  return key === span.key ? 2 : 1;
}

function revisionsOf({ writes, outcome }: Span): string {
  const [first] = writes;
  if (first === undefined) return outcome === "committed" ? "acted" : outcome;
  const last = writes.at(-1) as SpanWrite;
  return first === last ? `@${first.revision}` : `@${first.revision}–${last.revision}`;
}

function allSpans(span: Span): Span[] {
  return [span, ...span.children.flatMap(allSpans)];
}

function endOf({ begun, committed }: Span): number {
  return Math.max(begun, committed ?? begun);
}

/** Sends the spans to a collector that takes OTLP over HTTP. */
async function send(url: string, root: Span, output: Output): Promise<void> {
  const target = new URL(url);
  if (target.pathname === "/") target.pathname = "/v1/traces";
  let answer: Response;
  try {
    answer = await fetch(target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(otlpOf(root)),
      signal: AbortSignal.timeout(SEND_MS),
    });
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? cause.message : message;
    throw new UsageError(`The collector at ${target} cannot be reached: ${why}.`);
  }
  if (!answer.ok) {
    const said = (await answer.text()).slice(0, 300);
    throw new UsageError(`The collector at ${target} answered ${answer.status}: ${said}`);
  }
  output.write(`${allSpans(root).length} spans sent to ${target}\n`);
}
