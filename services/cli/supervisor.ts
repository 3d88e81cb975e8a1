/**
 * Keeps processes running: starts each with its output in a log file and its pid in a pid file, and
 * starts it again as soon as it ends. One that keeps ending is given growing pauses.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import type { Paths } from "./cluster.ts";
import { endAndWait } from "./pids.ts";

export interface ProcessSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Comes before the machine's other work, where that is permitted. */
  readonly preferred?: boolean;
  /** A descriptor that it is handed, as its number `HANDED_FD`. */
  readonly socket?: number;
}

/** Behind its input and outputs. */
export const HANDED_FD = 3;

interface Supervised {
  readonly spec: ProcessSpec;
  child: ChildProcess | undefined;
  /** When it was started lately, milliseconds; old ones are dropped. */
  starts: number[];
  timer: NodeJS.Timeout | undefined;
  /** How often it ended by itself, and how the last time. */
  ends: number;
  how: string;
  /** It was killed on purpose, and is started again after so long. */
  downMs?: number | undefined;
  /** It was stopped in its tracks; what lets it go on. */
  resume?: NodeJS.Timeout | undefined;
}

/** A process and how it is. */
export interface ProcessStatus {
  readonly name: string;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  readonly paused: boolean;
  /** How often it ended by itself. */
  readonly ends: number;
}

/** A process that ends again and again. */
export interface Failing {
  readonly name: string;
  readonly ends: number;
  readonly how: string;
}

/** Enough to be served first on a busy machine; what is started from it inherits it. */
const PREFERRED_NICE = -5;
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
    const idle = { child: undefined, starts: [], timer: undefined, ends: 0, how: "" };
    const supervised: Supervised = { spec, ...idle };
    this.#processes.set(spec.name, supervised);
    this.#spawn(supervised);
  }

  /** The first process that has ended by itself at least so often. */
  failing(ends: number): Failing | undefined {
    const found = [...this.#processes.values()].find((supervised) => supervised.ends >= ends);
    return found && { name: found.spec.name, ends: found.ends, how: found.how };
  }

  processes(): ProcessStatus[] {
    return [...this.#processes.values()].map(({ spec, child, timer, resume, ends }) => {
      const pid = timer === undefined ? child?.pid : undefined;
      return { name: spec.name, pid, paused: resume !== undefined, ends };
    });
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
    if (supervised?.resume === undefined) return false;
    clearTimeout(supervised.resume);
    supervised.resume = undefined;
    signal(supervised.child, "SIGCONT");
    return true;
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
    for (const [name, { child, timer }] of [...this.#processes].reverse()) {
      clearTimeout(timer);
      // A process that is paused hears nothing.
      this.resume(name);
      if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        await endAndWait(child.pid, GRACE_MS);
      }
      rmSync(this.#pidFile(name), { force: true });
    }
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
      if (spec.preferred) prefer(child.pid);
    }
    child.once("error", (error) => this.#ended(supervised, error.message));
    child.once("exit", (code, signal) => this.#ended(supervised, signal ?? `exit code ${code}`));
  }

  #ended(supervised: Supervised, how: string): void {
    clearTimeout(supervised.resume);
    supervised.resume = undefined;
    if (this.#stopping || supervised.timer !== undefined) return;
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

function signal(child: ChildProcess | undefined, name: NodeJS.Signals): void {
  if (child?.exitCode === null && child.signalCode === null) child.kill(name);
}

function prefer(pid: number): void {
  try {
    setPriority(pid, PREFERRED_NICE);
  } catch {
    // Without root it is as the others; or it has ended already.
  }
}

function pauseAfter(supervised: Supervised): number {
  supervised.starts = supervised.starts.filter((start) => Date.now() - start < WINDOW_MS);
  const excess = supervised.starts.length - STARTS_WITHOUT_PAUSE;
  return excess <= 0 ? 0 : Math.min(PAUSE_MS_MAX, 250 * 2 ** excess);
}
