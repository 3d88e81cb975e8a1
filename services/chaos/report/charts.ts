import type { ChaosRecord, FaultEvent, ProcessState, Span } from "../record.ts";
import { type Html, html } from "./html.ts";

const WIDTH = 1_000;
const LABELS = 150;
const ROW = 18;
const CHART = 120;
const TICKS = 10;

/** From a moment to a place. */
type Place = (at: number) => number;

/** The moments that all charts show, so that what is above one another happened together. */
function placeOf({ from, samples, to }: ChaosRecord): Place {
  const last = Math.max(to, samples.at(-1)?.at ?? to);
  return (at) => LABELS + ((at - from) / Math.max(1, last - from)) * (WIDTH - LABELS);
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

/** Each process as a line: up, starting, paused or down, and the faults that struck it. */
export function processChart(record: ChaosRecord): Html {
  const place = placeOf(record);
  const names = record.processes.map(({ name }) => name);
  const rows = record.processes.map(({ name, spans }, row) => {
    const y = row * ROW;
    const bars = spans.map((span) => spanBar(span, place, y));
    return html`<text class="label" x="0" y="${y + 12}">${name}</text>${bars}`;
  });
  const strikes = record.faults.map((fault) => {
    const row = names.indexOf(fault.process);
    return row < 0 ? html`` : strike(fault, record, place, row * ROW);
  });
  const height = names.length * ROW;
  return figure(height, html`${rows}${strikes}`, record, place);
}

function spanBar({ from, to, state }: Span<ProcessState>, place: Place, y: number): Html {
  const x = round(place(from));
  const width = round(Math.max(1, place(to) - place(from)));
  return html`<rect class="${state}" x="${x}" y="${y + 3}" width="${width}" height="${ROW - 6}"/>`;
}

/** Each actor as a line that is as thick as it has replicas at work. */
export function replicaChart(record: ChaosRecord): Html {
  const place = placeOf(record);
  const counts = record.actors.flatMap(({ spans }) => spans.map(({ state }) => state));
  const most = Math.max(1, ...counts);
  const rows = record.actors.map(({ name, spans }, row) => {
    const bars = spans.map(({ from, to, state }) => {
      const x = round(place(from));
      const width = round(Math.max(1, place(to) - place(from)));
      const height = round((state / most) * (ROW - 4));
      return html`<rect class="up" x="${x}" y="${round((row + 1) * ROW - height - 2)}"
        width="${width}" height="${height}"><title>${name}: ${state}</title></rect>`;
    });
    return html`<text class="label" x="0" y="${row * ROW + 12}">${name}</text>${bars}`;
  });
  return figure(record.actors.length * ROW, html`${rows}`, record, place);
}

function strike(fault: FaultEvent, { from }: ChaosRecord, place: Place, y: number): Html {
  const { kind, process, at, until, detail } = fault;
  const x = round(place(at));
  const seconds = ((at - from) / 1_000).toFixed(1);
  const title = html`<title>${seconds} s: ${kind} ${process} (${detail})</title>`;
  if (until === undefined) {
    const top = y + 2;
    return html`<path class="strike" d="M${x} ${top}v${ROW - 4}">${title}</path>`;
  }
  const width = round(Math.max(2, place(until) - place(at)));
  return html`<rect class="held" x="${x}" y="${y + 6}" width="${width}"
    height="${ROW - 12}">${title}</rect>`;
}

/** How many pods were available, of those wanted. */
export function availabilityChart(record: ChaosRecord): Html {
  const place = placeOf(record);
  const most = Math.max(1, ...record.samples.map(({ wanted }) => wanted));
  const y = (value: number): number => round(CHART - (value / most) * (CHART - 10));
  const points = record.samples.map(({ at, available }) => [round(place(at)), y(available)]);
  const wanted = record.samples.map(({ at, wanted }) => [round(place(at)), y(wanted)]);
  return figure(
    CHART,
    html`<text class="label" x="0" y="12">${most} pods</text>
      <polyline class="wanted" points="${wanted.join(" ")}"/>
      <polyline class="line" points="${points.join(" ")}"/>`,
    record,
    place,
  );
}

/** Acknowledged writes, and those that were not, each second. */
export function writesChart(record: ChaosRecord): Html {
  const place = placeOf(record);
  const most = Math.max(1, ...record.samples.map(({ written, refused }) => written + refused));
  const width = round((WIDTH - LABELS) / Math.max(1, record.samples.length));
  const bars = record.samples.map(({ at, written, refused }) => {
    const x = round(place(at) - width);
    const good = (written / most) * (CHART - 10);
    const bad = (refused / most) * (CHART - 10);
    return html`<rect class="up" x="${x}" y="${round(CHART - good)}" width="${width}"
      height="${round(good)}"/><rect class="down" x="${x}" y="${round(CHART - good - bad)}"
      width="${width}" height="${round(bad)}"/>`;
  });
  const label = html`<text class="label" x="0" y="12">${most} writes/s</text>`;
  return figure(CHART, html`${label}${bars}`, record, place);
}

/** Each rollout as a line from its beginning to its end. */
export function rolloutChart(record: ChaosRecord): Html {
  const place = placeOf(record);
  const names = [...new Set(record.rollouts.map(({ name }) => name))].sort();
  const step = Math.max(2, Math.min(ROW, 300 / Math.max(1, names.length)));
  const end = record.samples.at(-1)?.at ?? record.to;
  const bars = record.rollouts.map(({ name, from, to }) => {
    const y = round(names.indexOf(name) * step);
    const x = round(place(from));
    const width = round(Math.max(1, place(to ?? end) - place(from)));
    const kind = to === undefined ? "down" : "up";
    const text = to === undefined ? "not completed" : `${((to - from) / 1_000).toFixed(1)} s`;
    return html`<rect class="${kind}" x="${x}" y="${y}" width="${width}"
      height="${round(Math.max(1, step - 1))}"><title>${name}: ${text}</title></rect>`;
  });
  const label = html`<text class="label" x="0" y="12">${names.length} Deployments</text>`;
  return figure(Math.max(ROW, names.length * step), html`${label}${bars}`, record, place);
}

/** A chart above its axis of seconds. */
function figure(height: number, content: Html, record: ChaosRecord, place: Place): Html {
  const seconds = (record.to - record.from) / 1_000;
  const step = stepOf(seconds);
  const ticks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => {
    const x = round(place(record.from + index * step * 1_000));
    return html`<path class="grid" d="M${x} 0V${round(height)}"/>
      <text class="tick" x="${x}" y="${round(height + 13)}">${index * step} s</text>`;
  });
  const total = round(height + 18);
  return html`<svg viewBox="0 0 ${WIDTH} ${total}" role="img">${ticks}${content}</svg>`;
}

function stepOf(seconds: number): number {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600];
  return steps.find((step) => seconds / step <= TICKS) ?? 7_200;
}
