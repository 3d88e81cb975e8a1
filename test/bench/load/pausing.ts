/**
 * One measures, the others rest: their processes are stopped (SIGSTOP) meanwhile, and go on
 * (SIGCONT) whatever becomes of this program.
 */
import { type ChildProcess, spawn } from "node:child_process";

/** Lets the last pids it was told go on when nobody is left to tell it more. */
const GUARD = 'p=; while read -r line; do p=$line; done; [ -z "$p" ] || kill -CONT $p 2>/dev/null';

export class Pausing {
  readonly #paused = new Map<object, readonly number[]>();
  /** In a session of its own: Ctrl-C is not for it. */
  readonly #guard: ChildProcess = spawn("sh", ["-c", GUARD], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });

  /** `owner`: by what to resume them. */
  async pause(owner: object, pids: readonly number[]): Promise<void> {
    if (this.#paused.has(owner)) return;
    this.#paused.set(owner, pids);
    await this.#tell();
    for (const pid of pids) send(pid, "SIGSTOP");
  }

  /** False when they were not paused. */
  async resume(owner: object): Promise<boolean> {
    const pids = this.#paused.get(owner);
    if (pids === undefined) return false;
    for (const pid of pids) send(pid, "SIGCONT");
    this.#paused.delete(owner);
    await this.#tell();
    return true;
  }

  /** Everything goes on, at once. */
  resumeAll(): void {
    for (const pid of [...this.#paused.values()].flat()) send(pid, "SIGCONT");
    this.#paused.clear();
  }

  /** The same, and nothing can be paused any more. */
  end(): void {
    this.resumeAll();
    this.#guard.stdin?.end("\n");
  }

  /** Resolves when the guard can read it even if this program ends now. */
  #tell(): Promise<void> {
    const line = `${[...this.#paused.values()].flat().join(" ")}\n`;
    return new Promise((resolve) => this.#guard.stdin?.write(line, () => resolve()));
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
