/** What the curves are: the file that keeps their figures, and the pictures drawn from it. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Axis, drawPage, type Page, type Panel, type Series } from "./plot.ts";

/** Figures by their name, `<panel>: <series>`. */
export type Figures = Readonly<Record<string, number>>;

export interface Point {
  readonly x: number;
  readonly figures: Figures;
}

/** One curve of one system: what a run of it leaves in the file. */
export interface Run {
  readonly curve: string;
  /** Coxswain, or the name of what it is compared with. */
  readonly system: string;
  readonly command: string;
  /** Versions, durability. */
  readonly versions: string;
  /** Cores, load average before the run, the day. */
  readonly machine: string;
  readonly points: readonly Point[];
}

export interface PanelDescription {
  /** Before the colon in the names of its figures. */
  readonly key: string;
  readonly title: string;
  readonly y: Axis;
}

export interface CurveDescription {
  readonly name: string;
  readonly title: string;
  readonly x: Axis;
  readonly panels: readonly PanelDescription[];
}

export const OWN = "Coxswain";

/** All runs in the file; none when there is no file. */
export function readRuns(file: string): Run[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Run[]) : [];
}

/** Keeps the run, in place of an earlier one of the same curve and system. */
export function keepRun(file: string, run: Run): void {
  const others = readRuns(file).filter(
    ({ curve, system }) => curve !== run.curve || system !== run.system,
  );
  const all = [...others, run].sort((a, b) => idOf(a).localeCompare(idOf(b)));
  const temporary = `${file}.new`;
  writeFileSync(temporary, `[\n${all.map((each) => JSON.stringify(each)).join(",\n")}\n]\n`);
  renameSync(temporary, file);
}

function idOf({ curve, system }: Run): string {
  return `${curve} ${system}`;
}

/** Draws the curve beside the file, as `<name>.svg`; nothing when it was never measured. */
export function drawCurve(file: string, curve: CurveDescription): string | undefined {
  const runs = readRuns(file).filter((run) => run.curve === curve.name);
  if (runs.every(({ points }) => points.length === 0)) return undefined;
  const picture = join(dirname(file), `${curve.name}.svg`);
  writeFileSync(picture, drawPage(pageOf(curve, runs)));
  return picture;
}

export function pageOf({ title, x, panels }: CurveDescription, runs: readonly Run[]): Page {
  // Ours first: its colors are those of the order of the series.
  const sorted = [...runs].sort((a, b) => Number(b.system === OWN) - Number(a.system === OWN));
  const drawn = panels.map(({ key, title, y }): Panel => {
    const series = sorted.flatMap((run) => seriesOf(run, key));
    return { title, x, y, series };
  });
  const caption = sorted.flatMap((run) => [
    `${run.system === OWN ? "" : "* "}${run.system}: ${run.versions}; ${run.machine}`,
    run.command,
  ]);
  return { title, panels: drawn.filter(({ series }) => series.length > 0), caption };
}

function seriesOf({ system, points }: Run, key: string): Series[] {
  const prefix = `${key}: `;
  const names = new Set(points.flatMap(({ figures }) => Object.keys(figures)));
  return [...names]
    .filter((name) => name.startsWith(prefix))
    .map((name, color) => {
      const own = name.slice(prefix.length);
      const values = points
        .filter(({ figures }) => figures[name] !== undefined)
        .map(({ x, figures }) => [x, figures[name] as number] as const);
      const other = system !== OWN;
      return { name: other ? `${own} *` : own, points: values, color, dashed: other };
    });
}
