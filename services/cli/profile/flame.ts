/** A CPU profile of V8 as a flame graph: SVG without scripts, and a table of self times. */

/** What `Profiler.stop` of the inspector protocol answers, as far as it is used. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** Ids of nodes, one for each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

/** Calls of one function by one chain of callers. */
export interface Frame {
  readonly name: string;
  /** Microseconds in it alone. */
  self: number;
  /** Microseconds in it and in what it called. */
  total: number;
  readonly children: Map<string, Frame>;
}

/** Not work: the process waits. */
const IDLE = "(idle)";

/** The calls as a tree, the same by the same callers as one; idle time left out. */
export function frameTree(profile: CpuProfile): Frame {
  const micros = new Map<number, number>();
  profile.samples.forEach((id, index) => {
    micros.set(id, (micros.get(id) ?? 0) + Math.max(0, profile.timeDeltas[index] ?? 0));
  });
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const root: Frame = newFrame("(all)");
  const [first] = profile.nodes;
  const pending = (first?.children ?? []).map((id) => [id, root] as const);
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [id, parent] = next;
    const node = byId.get(id);
    if (!node || node.callFrame.functionName === IDLE) continue;
    const name = nameOf(node);
    const frame = parent.children.get(name) ?? newFrame(name);
    parent.children.set(name, frame);
    frame.self += micros.get(id) ?? 0;
    for (const child of node.children ?? []) pending.push([child, frame]);
  }
  addTotals(root);
  return root;
}

function newFrame(name: string): Frame {
  return { name, self: 0, total: 0, children: new Map() };
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.replace(/^.*\//, "");
  const called = functionName || "(anonymous)";
  return file === "" ? called : `${called} ${file}:${lineNumber + 1}`;
}

function addTotals(frame: Frame): number {
  frame.total = frame.self;
  for (const child of frame.children.values()) frame.total += addTotals(child);
  return frame.total;
}

/** Functions by the share of time in them alone, the most first. */
export function selfTimes(root: Frame): { readonly name: string; readonly share: number }[] {
  const sums = new Map<string, number>();
  const pending = [root];
  for (let frame = pending.pop(); frame; frame = pending.pop()) {
    sums.set(frame.name, (sums.get(frame.name) ?? 0) + frame.self);
    pending.push(...frame.children.values());
  }
  return [...sums]
    .map(([name, self]) => ({ name, share: self / (root.total || 1) }))
    .sort((one, other) => other.share - one.share);
}

const WIDTH = 1_200;
const ROW = 17;
const HEAD = 46;
const CHARACTER = 6.1;
/** Narrower ones are left out, pixels. */
const NARROWEST = 1.5;

const STYLE = `
  svg { background: #ffffff; color: #24292f; font: 11px ui-monospace, monospace; }
  .head { font: 600 16px system-ui, sans-serif; fill: currentColor; }
  .note { font: 11px system-ui, sans-serif; fill: currentColor; opacity: 0.75; }
  rect { stroke: #ffffff; stroke-width: 0.5; }
  .frame text { fill: #1b1b1b; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; color: #e6edf3; } rect { stroke: #0d1117; }
  }`;

/** Callers above what they called; as wide as the time is long; the longest first. */
export function drawFlames(root: Frame, title: string, note: string): string {
  const boxes: string[] = [];
  let deepest = 0;
  const place = (frame: Frame, left: number, depth: number): void => {
    const width = (frame.total / (root.total || 1)) * WIDTH;
    if (width < NARROWEST) return;
    deepest = Math.max(deepest, depth);
    boxes.push(box(frame, { left, width, depth }, root.total));
    let at = left;
    const children = [...frame.children.values()].sort((a, b) => b.total - a.total);
    for (const child of children) {
      place(child, at, depth + 1);
      at += (child.total / (root.total || 1)) * WIDTH;
    }
  };
  place(root, 0, 0);
  const height = HEAD + (deepest + 1) * ROW + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}"`,
    ` width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<text class="head" x="8" y="20">${escaped(title)}</text>`,
    `<text class="note" x="8" y="36">${escaped(note)}</text>`,
    ...boxes,
    "</svg>\n",
  ].join("\n");
}

interface Place {
  readonly left: number;
  readonly width: number;
  readonly depth: number;
}

function box({ name, total, self }: Frame, { left, width, depth }: Place, all: number): string {
  const share = (part: number) => `${((part / (all || 1)) * 100).toFixed(1)} %`;
  const y = HEAD + depth * ROW;
  const fits = Math.floor((width - 6) / CHARACTER);
  const label = fits < 3 ? "" : name.length > fits ? `${name.slice(0, fits - 1)}…` : name;
  const shown =
    label && `<text x="${(left + 3).toFixed(1)}" y="${y + 12}">${escaped(label)}</text>`;
  const place = `x="${left.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}"`;
  const told = `${name}: ${share(total)}, itself ${share(self)}`;
  return (
    `<g class="frame"><title>${escaped(told)}</title>` +
    `<rect ${place} fill="${colorOf(name)}"/>${shown}</g>`
  );
}

/** The same wherever the function is called. */
function colorOf(name: string): string {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.charCodeAt(0)) % 9_973;
  return name.startsWith("(") ? "#b9bec5" : `hsl(${hash % 360} 62% 72%)`;
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);
}
