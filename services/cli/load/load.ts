import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

/** What Node gives to every CommonJS file. */
type Program = (
  exports: object,
  require: NodeJS.Require,
  module: object,
  filename: string,
  folder: string,
) => void;

const WRAPPED = "exports, require, module, __filename, __dirname";
/** By then a process has started, and compiled what that takes. */
const COMPILED_MS = 3_000;
/** With so few cores the processes of a cluster are more than can run at a time. */
const FEW_CORES = 2;

/**
 * Runs a built program. The first run of each use leaves the code that V8 compiled behind, beside
 * the program; the next ones begin with it, which saves most of the time that loading takes.
 * @param use one name for runs that use the same functions.
 */
export function load(folder: string, program: string, use: string): void {
  const filename = join(folder, `${program}.bundle.js`);
  const { mtimeMs, size } = statSync(filename);
  // V8 refuses code of another version of itself, but knows a source only by its length.
  const version = `${process.version}-${process.arch}-${size}-${Math.trunc(mtimeMs)}`;
  const compiled = join(folder, `${use}-${version}.compiled`);
  // A collection that is spread over threads waits for those that others keep off the cores.
  if (availableParallelism() <= FEW_CORES) setFlagsFromString("--no-parallel-scavenge");
  const cachedData = readIfThere(compiled);
  // The bundler writes ASCII: one byte for a character.
  const source = readFileSync(filename, "latin1");
  const script = new Script(`(function (${WRAPPED}) {${source}\n})`, {
    filename,
    ...(cachedData && { cachedData }),
  });
  const run = script.runInThisContext() as Program;
  const module = { exports: {} };
  run(module.exports, createRequire(filename), module, filename, folder);
  if (cachedData !== undefined && !script.cachedDataRejected) return;
  let kept = false;
  const keep = (): void => {
    if (!kept) store(compiled, script.createCachedData());
    kept = true;
  };
  setTimeout(keep, COMPILED_MS).unref();
  process.once("exit", keep);
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: others may be reading it, or writing it, too. */
function store(file: string, data: Buffer): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, data);
    renameSync(temporary, file);
  } catch {
    // An installation that may not be written to starts without.
    rmSync(temporary, { force: true });
  }
}
