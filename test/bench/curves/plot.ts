/** Line charts as SVG: a page of panels that share a caption. Readable on light and on dark. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Drawn dashed: what the others are compared with. */
  readonly dashed?: boolean;
  /** Of the palette; series of the same color belong together. Default: their order. */
  readonly color?: number;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Axis {
  /** With its unit. */
  readonly label: string;
  readonly log?: boolean;
}

export interface Page {
  readonly title: string;
  readonly panels: readonly Panel[];
  /** The command that made the figures, versions, machine: one line each. */
  readonly caption: readonly string[];
}

const PANEL = { width: 460, height: 300 } as const;
const PLOT = { left: 64, right: 14, top: 34, bottom: 70 } as const;
const COLUMNS = 2;
const HEAD = 44;
const LINE = 16;
const LEGEND_CHARACTER = 6.4;
const LEGEND_MARK = 30;
const SIZE = {
  width: PANEL.width - PLOT.left - PLOT.right,
  height: PANEL.height - PLOT.top - PLOT.bottom,
};
/** Of equal weight on white and on black; told apart also by the color-blind. */
const COLORS = ["#2f7ed8", "#e0702a", "#2ca05a", "#b04fc4", "#c9a100", "#d43d51", "#17a2b8"];

const STYLE = `
  svg { background: #ffffff; color: #24292f; font: 12px system-ui, sans-serif; }
  text { fill: currentColor; }
  .title { font-weight: 600; font-size: 13px; }
  .head { font-weight: 600; font-size: 16px; }
  .note { font-size: 11px; opacity: 0.75; }
  .grid { stroke: currentColor; stroke-opacity: 0.14; }
  .axis { stroke: currentColor; stroke-opacity: 0.6; fill: none; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3; } }`;

export function drawPage({ title, panels, caption }: Page): string {
  const columns = Math.min(COLUMNS, panels.length);
  const rows = Math.ceil(panels.length / columns);
  const width = columns * PANEL.width;
  const captionTop = HEAD + rows * PANEL.height;
  const height = captionTop + caption.length * LINE + 12;
  const placed = panels.map((panel, index) => {
    const [column, row] = [index % columns, Math.floor(index / columns)];
    const at = `translate(${column * PANEL.width} ${HEAD + row * PANEL.height})`;
    return `<g transform="${at}">\n${drawPanel(panel)}\n</g>`;
  });
  const notes = caption.map((line, index) =>
    text(line, 16, captionTop + 10 + index * LINE, { class: "note" }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"`,
    ` width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    text(title, 16, 26, { class: "head" }),
    ...placed,
    ...notes,
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, x, y, series }: Panel): string {
  const points = series.flatMap((each) => each.points).filter((point) => shows(point, x, y));
  if (points.length === 0) return text(`${title}: no figures`, PLOT.left, PLOT.top);
  const [across, up] = [
    scaleOf(
      points.map(([value]) => value),
      x,
      SIZE.width,
    ),
    scaleOf(
      points.map(([, value]) => value),
      y,
      SIZE.height,
    ),
  ];
  const [left, bottom] = [PLOT.left, PLOT.top + SIZE.height];
  const vertical = across.ticks.flatMap((value) => {
    const at = left + across.place(value);
    const under = { "text-anchor": "middle" };
    return [line(at, PLOT.top, at, bottom, "grid"), text(short(value), at, bottom + 16, under)];
  });
  const horizontal = up.ticks.flatMap((value) => {
    const at = bottom - up.place(value);
    const beside = { "text-anchor": "end" };
    return [
      line(left, at, left + SIZE.width, at, "grid"),
      text(short(value), left - 6, at + 4, beside),
    ];
  });
  const curves = series.map((each, index) => {
    const shown = each.points
      .filter((point) => shows(point, x, y))
      .map(([px, py]) => [left + across.place(px), bottom - up.place(py)] as const);
    return drawCurve(shown, colorOf(each, index), each.dashed === true);
  });
  return [
    text(title, left, 16, { class: "title" }),
    text(y.label, left, 30, { class: "note" }),
    ...vertical,
    ...horizontal,
    line(left, bottom, left + SIZE.width, bottom, "axis"),
    line(left, PLOT.top, left, bottom, "axis"),
    text(x.label, left + SIZE.width / 2, bottom + 32, { class: "note", "text-anchor": "middle" }),
    ...curves,
    ...legend(series, bottom + 50),
  ].join("\n");
}

function shows([px, py]: readonly [number, number], x: Axis, y: Axis): boolean {
  const fits = (value: number, { log }: Axis) => Number.isFinite(value) && (!log || value > 0);
  return fits(px, x) && fits(py, y);
}

function drawCurve(points: readonly (readonly [number, number])[], color: string, dashed: boolean) {
  const path = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const dash = dashed ? ' stroke-dasharray="6 4"' : "";
  // Many points are a line; few are measurements to be seen one by one.
  const dots =
    points.length > 40
      ? []
      : points.map(
          ([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${color}"/>`,
        );
  return [`<polyline class="line" stroke="${color}"${dash} points="${path}"/>`, ...dots].join("");
}

/** Wraps into a second line when the names are long. */
function legend(series: readonly Series[], top: number): string[] {
  if (series.length < 2) return [];
  let [x, y] = [PLOT.left - 40, top];
  return series.map((each, index) => {
    const width = LEGEND_MARK + each.name.length * LEGEND_CHARACTER;
    if (x + width > PANEL.width) [x, y] = [PLOT.left - 40, y + LINE - 2];
    const dash = each.dashed === true ? ' stroke-dasharray="4 3"' : "";
    const stroke = `stroke="${colorOf(each, index)}"${dash}`;
    const mark = `<path class="line" ${stroke} d="M${x} ${y - 4}h16"/>`;
    const label = text(each.name, x + 20, y, { class: "note" });
    x += width;
    return mark + label;
  });
}

function colorOf({ color }: Series, index: number): string {
  return COLORS[(color ?? index) % COLORS.length] as string;
}

interface Scale {
  readonly ticks: readonly number[];
  /** Pixels from the origin. */
  place(value: number): number;
}

/** Linear axes begin at zero: a small change shall look small. */
export function scaleOf(values: readonly number[], { log }: Axis, length: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks = log === true ? logTicks(low, high) : linearTicks(high);
  const [first = 0, last = 1] = [ticks[0], ticks.at(-1)];
  const at = (value: number): number => (log === true ? Math.log10(value) : value);
  const span = at(last) - at(first) || 1;
  return { ticks, place: (value) => ((at(value) - at(first)) / span) * length };
}

function linearTicks(high: number): number[] {
  const rough = Math.max(high, 1e-9) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? power;
  const count = Math.max(1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** Powers of ten, with 2 and 5 between them where there is room. */
function logTicks(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const within = last - first > 3 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let power = first; power <= last; power++) {
    for (const each of within) all.push(Number((each * 10 ** power).toPrecision(6)));
  }
  const start = all.findLastIndex((each) => each <= low * 1.000001);
  const end = all.findIndex((each) => each >= high * 0.999999);
  const chosen = all.slice(Math.max(start, 0), end < 0 ? all.length : end + 1);
  return chosen.length > 1 ? chosen : [low / 2, low * 2];
}

/** 1,500 as 1.5k. */
export function short(value: number): string {
  const [unit, divisor] =
    Math.abs(value) >= 1e6 ? ["M", 1e6] : Math.abs(value) >= 1e3 ? ["k", 1e3] : ["", 1];
  return `${Number((value / (divisor as number)).toPrecision(3))}${unit}`;
}

function line(x1: number, y1: number, x2: number, y2: number, name: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((each) => each.toFixed(1));
  return `<line class="${name}" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`;
}

function text(content: string, x: number, y: number, attributes: Record<string, string> = {}) {
  const all = Object.entries({ x: x.toFixed(1), y: y.toFixed(1), ...attributes });
  const written = all.map(([name, value]) => ` ${name}="${value}"`).join("");
  return `<text${written}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);
}
