import { durationText } from "../../../shared/faults/duration.ts";
import { type ChaosRecord, isGood } from "../record.ts";
import {
  availabilityChart,
  processChart,
  replicaChart,
  rolloutChart,
  writesChart,
} from "./charts.ts";
import { Html, html } from "./html.ts";
import { faultCounts, rolloutText, verdictOf, wasMeasured } from "./text.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1c2430; --soft: #5b6675; --back: #fff; --line: #dde3ea;
  --good: #2f8f5b; --bad: #c8402f; --warn: #d99a1c; --mark: #2d6cdf; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9f0; --soft: #96a2b4; --back: #12161d;
  --line: #2a323e; --good: #4fb380; --bad: #ef6a59; --warn: #e5b04a; --mark: #7aa7ff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  max-width: 1060px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p, li { color: var(--soft); margin: .3rem 0; } .verdict { font-size: 1.1rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } td.text { text-align: left; }
svg { width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font-size: 11px; }
.tick { text-anchor: middle; } .grid { stroke: var(--line); } .line { stroke: var(--mark); }
.line, .wanted { fill: none; stroke-width: 1.5; } .wanted { stroke: var(--soft); }
.wanted { stroke-dasharray: 3 3; } rect.up { fill: var(--good); opacity: .75; }
rect.starting, rect.paused { fill: var(--warn); } rect.down { fill: var(--bad); }
.strike { stroke: var(--bad); stroke-width: 2; } rect.held { fill: var(--mark); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
`;

const SLOWEST = 5;

/** The report: one page that needs nothing else, for readers who were not there. */
export function reportPage(record: ChaosRecord): string {
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chaos: ${record.file}</title><style>${new Html(STYLE)}</style></head><body>
<h1>Chaos run: ${record.file}</h1>
<p class="verdict ${isGood(record) ? "good" : "bad"}">${verdictOf(record)}</p>
${facts(record)}
<h2>Processes and faults</h2>
<p>Each line is a process of the control plane. ${legend()}</p>
${processChart(record)}
<h2>Actors</h2>
<p>Each line is an actor, as thick as it had replicas at work.</p>
${replicaChart(record)}
<h2>Availability</h2>
<p>Pods that the Deployments have available (line), of those that they want (dashed).</p>
${availabilityChart(record)}
<h2>Writes</h2>
<p>What writers were acknowledged each second; red: refused or unanswered, and tried again.</p>
${writesChart(record)}
<h2>Rollouts</h2>
<p>Each bar is one rollout of a Deployment, from the request to the last available pod.</p>
${rolloutChart(record)}
<h2>Recovery</h2>
<p>Milliseconds from the kill of a process to the first work of another replica, or of the process's
next life, on something that was the dead one's and due within half a second of the kill; for the
apiserver and the NATS server until every writer had a write acknowledged. A kill after which
nothing was to be done is not measured.</p>
${recoveryTable(record)}
${slowest(record)}
<h2>Invariants</h2>
<p>Checked after every commit of the log, while the run went on.</p>
${invariantTable(record)}
${violationList(record)}
${unsupportedList(record)}
</body></html>
`;
  return page.text;
}

function facts(record: ChaosRecord): Html {
  const { from, to, seed, cluster, writes, aborted, scalings } = record;
  const began = new Date(from).toISOString().replace(/\.\d+Z$/, "Z");
  const rows: readonly [string, string][] = [
    ["When", `${began}, ${durationText(to - from)}, seed ${seed}`],
    ["Cluster", `${cluster.nodes} nodes (${cluster.runtime}), ${cluster.durability} durability`],
    ["Faults", faultCounts(record)],
    ["Actors scaled", `${scalings.length} times`],
    ["Rollouts", rolloutText(record)],
    [
      "Writes",
      `${writes.acknowledged} acknowledged, ${writes.lost.length} of them lost; ` +
        `longest time without one ${durationText(writes.longestGapMs)}`,
    ],
    ...(aborted === undefined ? [] : [["Ended early", aborted] as [string, string]]),
  ];
  const lines = rows.map(
    ([name, text]) => html`<tr><td>${name}</td><td class="text">${text}</td></tr>`,
  );
  return html`<table>${lines}</table>`;
}

function legend(): Html {
  const keys: readonly [string, string][] = [
    ["good", "up"],
    ["warn", "starting or paused"],
    ["bad", "down, and the moment of a kill"],
    ["mark", "a fault that lasts"],
  ];
  const marks = keys.map(
    ([color, text]) => html`<span class="key" style="background:var(--${color})"></span>${text}`,
  );
  return html`${marks}`;
}

function recoveryTable({ recovery }: ChaosRecord): Html {
  const rows = recovery.filter(wasMeasured).map(({ actor, kills, measured, p50, p99, worst }) => {
    const cells = [p50, p99, worst].map((ms) => html`<td>${Math.round(ms)}</td>`);
    return html`<tr><td>${actor}</td><td>${kills}</td><td>${measured}</td>${cells}</tr>`;
  });
  return html`<table><tr><th>actor</th><th>kills</th><th>measured</th><th>p50</th><th>p99</th>
<th>worst</th></tr>${rows}</table>${unmeasured(recovery)}`;
}

function unmeasured(recovery: ChaosRecord["recovery"]): Html {
  const names = recovery.filter((row) => !wasMeasured(row)).map(({ actor }) => actor);
  return names.length === 0 ? html`` : html`<p>Nothing to do: ${names.join(", ")}.</p>`;
}

/** Where to look, when one wants to know why. */
function slowest({ recovered, from }: ChaosRecord): Html {
  const slow = recovered
    .flatMap(({ ms, ...kill }) => (ms === undefined ? [] : [{ ...kill, ms }]))
    .sort((a, b) => b.ms - a.ms)
    .slice(0, SLOWEST)
    .map(({ actor, process, at, ms }) => {
      const seconds = ((at - from) / 1_000).toFixed(1);
      const text = `${actor}: ${Math.round(ms)} ms after ${process} was killed at ${seconds} s`;
      return html`<li>${text}</li>`;
    });
  return slow.length === 0 ? html`` : html`<p>The slowest:</p><ul>${slow}</ul>`;
}

function invariantTable({ invariants }: ChaosRecord): Html {
  const rows = invariants.map(({ name, promise, broken }) => {
    const state = broken === 0 ? "good" : "bad";
    const text = broken === 0 ? "holds" : `broken ${broken} times`;
    return html`<tr><td>${name}</td><td class="text">${promise}</td>
<td class="${state}">${text}</td></tr>`;
  });
  return html`<table>${rows}</table>`;
}

function violationList({ violations, writes }: ChaosRecord): Html {
  const lines = [
    ...violations.map((each) => `revision ${each.revision}: ${each.invariant}: ${each.message}`),
    ...writes.lost.map((name) => `acknowledged and lost: ${name}`),
  ];
  if (lines.length === 0) return html``;
  const items = lines.slice(0, 100).map((line) => html`<li class="bad">${line}</li>`);
  return html`<ul>${items}</ul>`;
}

function unsupportedList({ unsupported }: ChaosRecord): Html {
  if (unsupported.length === 0) return html``;
  const items = unsupported.map((line) => html`<li>${line}</li>`);
  return html`<h2>Not done on a live cluster</h2><ul>${items}</ul>`;
}
