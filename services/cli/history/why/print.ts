/** The answer of `cox why` as text, JSON and a graph. */
import { aligned, clockTime, duration, keyText, type Paint } from "../text.ts";
import { countsOf, type Pending } from "./pending.ts";
import type { Rollout } from "./rollout.ts";
import { type Step, whoOf } from "./story.ts";
import type { Terminating } from "./terminating.ts";
import type { Answer } from "./why.ts";

const NODES_SHOWN = 20;

/** Lines for people. */
export function answerText(answer: Answer, paint: Paint): string {
  const { key, state, revision, time, verdict } = answer;
  const name = paint("bold", keyText(key));
  const verb =
    state === "exists" ? "exists" : state === "deleted" ? "was deleted" : "is terminating";
  const place = paint("dim", `revision ${revision}, ${new Date(time).toISOString()}`);
  const lines = [`${name} ${verb}: ${verdict.text}`, place, ""];
  if (answer.pending) lines.push(...pendingLines(answer.pending, paint), "");
  if (answer.rollout) lines.push(...rolloutLines(answer.rollout, paint), "");
  if (answer.terminating) lines.push(...terminatingLines(answer.terminating, paint), "");
  if (answer.troubles) lines.push(...answer.troubles.map((one) => paint("yellow", one)), "");
  lines.push(...stepLines(answer, paint));
  return `${lines.join("\n").trimEnd()}\n`;
}

function stepLines({ key, story }: Answer, paint: Paint): string[] {
  const heads = story.steps.map((step) => [
    String(step.revision),
    clockTime(step.time),
    whoOf(step),
    describe(step, key),
  ]);
  const rows = aligned(heads);
  return story.steps.flatMap((step, index) => {
    const arrow = paint(step.actor === "user" ? "green" : "cyan", index === 0 ? "●" : "└");
    const notes = notesOf(step).map((note) => `    ${paint("dim", note)}`);
    return [`${arrow} ${rows[index]}`, ...notes];
  });
}

function describe({ verb, key, change }: Step, subject: string): string {
  const object = key === subject ? "it" : keyText(key);
  if (verb === "changed") return `changed ${object}: ${change}`;
  return verb === "marked for deletion" ? `marked ${object} for deletion` : `${verb} ${object}`;
}

function notesOf({ reason, decided, byClock, folded }: Step): string[] {
  const lines: string[] = [];
  if (reason) lines.push(`because ${reason}`);
  if (decided !== undefined) {
    const { on, about, waitedMs, tookMicros, committedMs, lookedAt } = decided;
    const took = tookMicros === 0 ? "" : `in ${duration(tookMicros / 1000)}, `;
    const after = byClock ? "when its time had come, " : "";
    const waited = waitedMs === undefined ? after : `${duration(waitedMs)} after its cause, `;
    lines.push(
      `decided about ${keyText(about)} on revision ${on}: ` +
        `${waited}${took}committed in ${duration(committedMs)}`,
    );
    const seen = lookedAt.map(({ key, revision }) => `${keyText(key)}@${revision}`);
    if (seen.length > 0) lines.push(`rests on ${listed(seen, 3)}`);
  }
  if (folded !== undefined) lines.push(`and ${folded} more steps of the same work before`);
  return lines;
}

function pendingLines(pending: Pending, paint: Paint): string[] {
  const { notTried, fits, refusals } = pending;
  if (notTried !== undefined) return [paint("yellow", `No node is looked for: ${notTried}.`)];
  if (fits.length > 0) {
    return [`It fits ${listed(fits, 5)}: the scheduler will bind it at its next pass.`];
  }
  const counts = countsOf(pending).map(({ reason, nodes }) => [`  ${nodes} ×`, reason]);
  const each = refusals
    .slice(0, NODES_SHOWN)
    .map(({ node, filter, reasons }) => [`  ${node}`, filter, reasons.join(", ")]);
  const more = refusals.length - each.length;
  return [
    paint("yellow", `No node takes it: ${refusals.length} of ${refusals.length} refuse.`),
    ...aligned(counts),
    "",
    ...aligned(each),
    ...(more > 0 ? [`  and ${more} more nodes`] : []),
  ];
}

function rolloutLines(rollout: Rollout, paint: Paint): string[] {
  const { wanted, updated, updatedReady, old, maxSurge, maxUnavailable } = rollout;
  const head =
    `The rollout is not complete: ${updated} of ${wanted} pods are new, ` +
    `${updatedReady} of them ready; ${old} old ones are left ` +
    `(maxSurge ${maxSurge}, maxUnavailable ${maxUnavailable}).`;
  const pods = rollout.unavailable.map(({ pod, troubles }) => [`  ${pod}`, troubles.join("; ")]);
  return [
    paint("yellow", head),
    ...rollout.reasons.map((reason) => `  ${reason}`),
    ...aligned(pods.slice(0, NODES_SHOWN)),
  ];
}

function terminatingLines({ finalizers, content }: Terminating, paint: Paint): string[] {
  const lines: string[] = [];
  if (finalizers.length > 0) {
    lines.push(paint("yellow", `Finalizers hold it: ${finalizers.join(", ")}`));
  }
  for (const { resource, objects } of content) {
    const held = objects.filter((object) => object.finalizers.length > 0);
    const names = held.map((object) => `${object.name} (${object.finalizers.join(", ")})`);
    const waits = held.length === 0 ? "" : `, held by finalizers: ${listed(names, 5)}`;
    lines.push(`  ${objects.length} ${resource} left${waits}`);
  }
  return lines;
}

function listed(items: readonly string[], most: number): string {
  const more = items.length - most;
  return items.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** A graph for Graphviz: what caused what. */
export function answerDot({ key, story }: Answer): string {
  const nodes = story.steps.map((step) => {
    const label = [`${step.revision}  ${whoOf(step)}`, describe(step, key), step.reason ?? ""];
    const shape = step.actor === "user" ? "house" : "box";
    const text = quoted(label.filter(Boolean).join("\n"));
    return `  r${step.revision} [shape=${shape}, label=${text}];`;
  });
  const edges = story.steps.slice(1).map((step, index) => {
    const effect = story.steps[index] as Step;
    const label = quoted(duration(effect.time - step.time));
    return `  r${step.revision} -> r${effect.revision} [label=${label}];`;
  });
  const head = "digraph why {\n  rankdir=BT;\n  node [fontname=sans];";
  return `${head}\n${[...nodes, ...edges].join("\n")}\n}\n`;
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\\n", "\\l");
}
