/**
 * Keeps processes running: starts each with its output in a log file and its pid in a pid file, and
 * starts it again as soon as it ends. One that keeps ending is given growing pauses.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { SupervisedProcess } from "../chaos/orders.ts";
import type { Paths } from "./cluster.ts";
import { endAndWait } from "./pids.ts";

export interface ProcessSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Its place among the machine's other work (nice(2)), where that is permitted. */
  readonly nice?: number;
  /** A descriptor that it is handed, as its number `HANDED_FD`. */
  readonly socket?: number;
}

/** The process that all others talk through. */
export const NATS_SERVER = "nats-server";

/** Behind its input and outputs. */
export const HANDED_FD = 3;

interface Supervised {
  readonly spec: ProcessSpec;
  child: ChildProcess | undefined;
  /** When it was started lately, milliseconds; old ones are dropped. */
  starts: number[];
  timer: NodeJS.Timeout | undefined;
  /** It is ended on purpose. */
  finished: boolean;
  /** How often it ended by itself, and how the last time. */
  ends: number;
  how: string;
  /** It was killed on purpose, and is started again after so long. */
  downMs?: number | undefined;
  /** It was stopped in its tracks; what lets it go on. */
  resume?: NodeJS.Timeout | undefined;
}

/** A process that ends again and again. */
export interface Failing {
  readonly name: string;
  readonly ends: number;
  readonly how: string;
}

/**
 * Enough to be served before a busy machine's other work, and people before those who decide: they
 * wait for the apiserver and its log. What is started from a process inherits its place.
 */
export const NICE = { waitedFor: -5, others: -1 };
const WINDOW_MS = 10_000;
/** So many starts within the window are taken for bad luck; more for a fault. */
const STARTS_WITHOUT_PAUSE = 5;
const PAUSE_MS_MAX = 5_000;
const GRACE_MS = 5_000;

export class Supervisor {
  readonly #paths: Paths;
  readonly #processes = new Map<string, Supervised>();
  readonly #onEnd: (name: string, how: string, restartMs: number) => void;
  #stopping = false;

  /** `onEnd` is told of each process that ended by itself, and when it is started again. */
  constructor(paths: Paths, onEnd: (name: string, how: string, restartMs: number) => void) {
    this.#paths = paths;
    this.#onEnd = onEnd;
  }

  start(spec: ProcessSpec): void {
    const idle = { child: undefined, timer: undefined, finished: false, ends: 0, how: "" };
    const supervised: Supervised = { spec, starts: [], ...idle };
    this.#processes.set(spec.name, supervised);
    this.#spawn(supervised);
  }

  /** What runs under it, in the order of the starts. */
  status(): SupervisedProcess[] {
    return [...this.#processes.values()].map(({ spec, child, ends, resume }) => {
      const alive = child?.exitCode === null && child.signalCode === null;
      const pid = alive ? (child.pid ?? null) : null;
      return { name: spec.name, pid, paused: resume !== undefined, restarts: ends };
    });
  }

  /** Ends one process for good. */
  async end(name: string): Promise<void> {
    const supervised = this.#processes.get(name);
    if (supervised === undefined) return;
    this.#processes.delete(name);
    await this.#finish(supervised);
  }

  /** The first process that has ended by itself at least so often. */
  failing(ends: number): Failing | undefined {
    const found = [...this.#processes.values()].find((supervised) => supervised.ends >= ends);
    return found && { name: found.spec.name, ends: found.ends, how: found.how };
  }

  /**
   * Kills a process on purpose, and starts it again after `downMs`.
   * @throws Error when it does not run
   */
  kill(name: string, downMs: number): number {
    const [supervised, pid] = this.#running(name);
    supervised.downMs = downMs;
    process.kill(pid, "SIGKILL");
    return pid;
  }

  /**
   * Stops a process in the middle of what it does. It goes on after `forMs`, whoever asked for it
   * may be gone.
   * @throws Error when it does not run
   */
  pause(name: string, forMs: number): number {
    const [supervised, pid] = this.#running(name);
    process.kill(pid, "SIGSTOP");
    clearTimeout(supervised.resume);
    supervised.resume = setTimeout(() => this.resume(name), forMs);
    return pid;
  }

  /** Lets a process go on that was paused; false when it was not. */
  resume(name: string): boolean {
    const supervised = this.#processes.get(name);
    return supervised !== undefined && goOn(supervised);
  }

  #running(name: string): [Supervised, number] {
    const supervised = this.#processes.get(name);
    if (supervised === undefined) throw new Error(`no process is called ${name}`);
    const pid = supervised.timer === undefined ? supervised.child?.pid : undefined;
    if (pid === undefined) throw new Error(`${name} does not run at the moment`);
    return [supervised, pid];
  }

  /** Ends all processes, the last started first; those that do not listen are killed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const supervised of [...this.#processes.values()].reverse()) {
      await this.#finish(supervised);
    }
  }

  async #finish(supervised: Supervised): Promise<void> {
    supervised.finished = true;
    clearTimeout(supervised.timer);
    // A process that is paused hears nothing.
    goOn(supervised);
    const { child, spec } = supervised;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      await endAndWait(child.pid, GRACE_MS);
    }
    rmSync(this.#pidFile(spec.name), { force: true });
  }

  #spawn(supervised: Supervised): void {
    const { spec } = supervised;
    const log = openSync(join(this.#paths.logs, `${spec.name}.log`), "a");
    const handed = spec.socket === undefined ? [] : [spec.socket];
    const child = spawn(spec.file, spec.args, { stdio: ["ignore", log, log, ...handed] });
    closeSync(log);
    supervised.child = child;
    supervised.starts.push(Date.now());
    if (child.pid !== undefined) {
      writeFileSync(this.#pidFile(spec.name), `${child.pid}\n`);
      if (spec.nice !== undefined) place(child.pid, spec.nice);
    }
    child.once("error", (error) => this.#ended(supervised, error.message));
    child.once("exit", (code, signal) => this.#ended(supervised, signal ?? `exit code ${code}`));
  }

  #ended(supervised: Supervised, how: string): void {
    clearTimeout(supervised.resume);
    supervised.resume = undefined;
    if (this.#stopping || supervised.finished || supervised.timer !== undefined) return;
    const { downMs } = supervised;
    supervised.downMs = undefined;
    if (downMs === undefined) {
      supervised.ends++;
      supervised.how = how;
    } else {
      supervised.starts.pop();
    }
    const pause = downMs ?? pauseAfter(supervised);
    this.#onEnd(supervised.spec.name, how, pause);
    supervised.timer = setTimeout(() => {
      supervised.timer = undefined;
      this.#spawn(supervised);
    }, pause);
  }

  #pidFile(name: string): string {
    return join(this.#paths.run, `${name}.pid`);
  }
}

/** Lets a paused process go on; false when it is not paused. */
function goOn(supervised: Supervised): boolean {
  const { child, resume } = supervised;
  if (resume === undefined) return false;
  clearTimeout(resume);
  supervised.resume = undefined;
  if (child?.exitCode === null && child.signalCode === null) child.kill("SIGCONT");
  return true;
}

function place(pid: number, nice: number): void {
  try {
    setPriority(pid, nice);
  } catch {
    // Without root it is as the others; or it has ended already.
  }
}

function pauseAfter(supervised: Supervised): number {
  supervised.starts = supervised.starts.filter((start) => Date.now() - start < WINDOW_MS);
  const excess = supervised.starts.length - STARTS_WITHOUT_PAUSE;
  return excess <= 0 ? 0 : Math.min(PAUSE_MS_MAX, 250 * 2 ** excess);
}
