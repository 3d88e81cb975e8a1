/** One line that is written over and over on a terminal; else now and then a new one. */
export class ProgressLine {
  readonly #started = performance.now();
  readonly #everyMs: number;
  #next = 0;

  constructor(everyMs = 15_000) {
    this.#everyMs = everyMs;
    this.#next = this.#started + everyMs;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  show(text: string, last = false): void {
    const line = `${text}, ${this.seconds.toFixed(1)} s`;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}${last ? "\n" : ""}`);
    else if (last || performance.now() >= this.#next) {
      process.stderr.write(`${line}\n`);
      this.#next = performance.now() + this.#everyMs;
    }
  }
}
