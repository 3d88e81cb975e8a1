import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where the values lie that kernel settings had before the first cluster changed them. */
export const SETTINGS_NOTE = "/run/coxswain/settings.json";
const ROOT = "/proc/sys";

/**
 * Sets kernel settings of the host (names below /proc/sys). The values before are noted once, so
 * that `restoreSettings` can put them back after the last cluster.
 */
export function changeSettings(
  settings: Readonly<Record<string, string>>,
  note: string = SETTINGS_NOTE,
): void {
  const before = readNote(note);
  const changed = Object.entries(settings).filter(([name, value]) => read(name) !== value);
  if (changed.length === 0) return;
  for (const [name] of changed) before[name] ??= read(name);
  // First the note: a crash in between leaves too much noted, never too little.
  mkdirSync(dirname(note), { recursive: true });
  writeFileSync(note, `${JSON.stringify(before)}\n`);
  for (const [name, value] of changed) writeFileSync(join(ROOT, name), value);
}

/** Puts the noted values back. Settings of devices that are gone have gone with them. */
export function restoreSettings(note: string = SETTINGS_NOTE): void {
  for (const [name, value] of Object.entries(readNote(note))) {
    const path = join(ROOT, name);
    if (existsSync(path)) writeFileSync(path, value);
  }
  rmSync(note, { force: true });
}

function read(name: string): string {
  return readFileSync(join(ROOT, name), "utf8").trim();
}

function readNote(note: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(note, "utf8")) as Record<string, string>;
  } catch {
    return {};
  }
}
