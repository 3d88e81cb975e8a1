import type { Running } from "../../shared/actor/dependencies.ts";
import { durationText } from "../../shared/faults/duration.ts";
import type { Faults } from "../../shared/faults/language.ts";
import { unsupportedLive } from "../../shared/faults/support.ts";
import { drawIn } from "../../shared/faults/timetable.ts";
import type { History } from "../../shared/log/history.ts";
import type { RandomStream, Runtime } from "../../shared/runtime/runtime.ts";
import { followLog } from "../verify/follow.ts";
import { INVARIANTS } from "../verify/invariants.ts";
import { verifyStretch } from "../verify/stretch.ts";
import type { Violation } from "../verify/verifier.ts";
import type { ClusterApi } from "./api.ts";
import { LogObserver } from "./observer.ts";
import { NATS_SERVER, type Operator, type Target } from "./operator.ts";
import { ProcessLines } from "./process-lines.ts";
import type { ChaosRecord, FaultEvent, Sample } from "./record.ts";
import { type Kill, Recovery, type Work } from "./recovery.ts";
import { Rollouts } from "./rollouts.ts";
import { Strikes } from "./strikes.ts";
import type { Workload } from "./workload.ts";
import { Writers } from "./writers.ts";

export interface RunOptions {
  readonly file: string;
  readonly faults: Faults;
  readonly workload: Workload;
  readonly seed: number;
  /** What the seed gives. */
  readonly random: RandomStream;
  readonly durationMs: number;
  readonly cluster: ChaosRecord["cluster"];
  readonly runtime: Runtime;
  readonly operator: Operator;
  readonly history: History;
  readonly api: ClusterApi;
  /** Begin although the cluster is not well. */
  readonly ignoreState: boolean;
  readonly say: (line: string) => void;
}

const SAMPLE_MS = 1_000;
const DECISIONS_MS = 5_000;
/** Records come in a little after they were made. */
const RECORDED_LATE_MS = 3_000;
const SETTLED_POLL_MS = 250;
const STEADY_MS = 30_000;
/** Behind the log by this much, invariants have been checked. */
const CHECKED_MS = 5_000;

/** One run of a fault file on a live cluster. */
export class ChaosRun {
  readonly #options: RunOptions;
  readonly #observer: LogObserver;
  readonly #writers: Writers;
  readonly #rollouts: Rollouts;
  readonly #strikes: Strikes;
  readonly #lines: ProcessLines;
  readonly #recovery = new Recovery();
  readonly #events: FaultEvent[] = [];
  readonly #kills: Kill[] = [];
  readonly #work: Work[] = [];
  readonly #samples: Sample[] = [];
  readonly #scalings: { at: number; what: string }[] = [];
  readonly #violations: Violation[] = [];
  readonly #cancels: (() => void)[] = [];
  #unsupported: readonly string[] = [];
  #decisionsUpTo = 0;
  #counted = { written: 0, refused: 0, commits: 0 };
  #aborted: string | undefined;
  #onAbort: () => void = () => undefined;
  #ending = false;

  constructor(options: RunOptions) {
    const { runtime, history, api, workload, faults, operator, random } = options;
    this.#options = options;
    this.#observer = new LogObserver(history);
    this.#writers = new Writers(runtime, api, workload.namespace);
    this.#rollouts = new Rollouts(workload, runtime, api, this.#observer);
    this.#lines = new ProcessLines(runtime);
    this.#strikes = new Strikes({
      faults,
      runtime,
      random,
      operator,
      onKill: (target, at) => this.#killed(target, at),
      onEvent: (event) => this.#events.push(event),
    });
  }

  /** Ends the run before its time; every fault is ended then, too. */
  abort(reason: string): void {
    this.#aborted ??= reason;
    this.#onAbort();
  }

  /** @throws Error when the cluster is not well enough to begin. */
  async run(): Promise<ChaosRecord> {
    const { workload, say, durationMs, runtime } = this.#options;
    await this.#checkSteady();
    say(`preparing ${workload.deployments} Deployments of ${workload.replicas} replicas`);
    await this.#rollouts.prepare();
    await this.#observer.start();
    const settled = await this.#settled(workload.settleWithin);
    if (!settled) throw new Error(`not all Deployments became available: ${this.#unsettled()}`);
    const from = runtime.clock.now();
    this.#decisionsUpTo = from;
    const invariants = await this.#watchInvariants();
    this.#begin();
    say(`faults for ${durationText(durationMs)}; Ctrl-C or \`cox chaos stop\` ends them`);
    await this.#pass(durationMs);
    await this.#strikes.stop();
    say("faults are over; waiting until everything has come right");
    const to = runtime.clock.now();
    await this.#end();
    await runtime.timers.sleep(CHECKED_MS);
    await invariants.stop();
    const record = await this.#record(from, to);
    this.#observer.stop();
    await this.#rollouts.cleanUp().catch((error: Error) => say(error.message));
    return record;
  }

  async #checkSteady(): Promise<void> {
    const { operator, faults, say, ignoreState, runtime } = this.#options;
    const deadline = runtime.clock.monotonic() + STEADY_MS;
    for (;;) {
      const targets = await operator.targets();
      const wrong = targets.filter(({ pid, paused, answers }) => !pid || paused || !answers);
      if (wrong.length === 0 || ignoreState) {
        this.#unsupported = unsupportedLive(
          faults,
          targets.flatMap(({ name, actors }) => [name, ...actors]),
        );
        for (const line of this.#unsupported) say(`not on a live cluster: ${line}`);
        return;
      }
      if (runtime.clock.monotonic() > deadline) {
        const names = wrong.map(({ name }) => name).join(", ");
        throw new Error(`The cluster is not well: ${names} cannot be reached.`);
      }
      await runtime.timers.sleep(SETTLED_POLL_MS);
    }
  }

  async #watchInvariants(): Promise<Running> {
    const { history, runtime } = this.#options;
    const head = await history.logs.cluster.head();
    const onViolation = (violation: Violation): void => {
      this.#violations.push(violation);
      this.abort(`an invariant is broken: ${violation.invariant}: ${violation.message}`);
    };
    const begun = await verifyStretch(history, { from: head, to: head }, onViolation);
    const onFailure = (error: Error): void =>
      this.#options.say(`the invariants could not be checked: ${error.message}`);
    return followLog({ runtime, history, ...begun, onViolation, onFailure });
  }

  #begin(): void {
    const { runtime, workload, faults } = this.#options;
    const { timers } = runtime;
    this.#writers.start(workload.writers);
    this.#rollouts.start();
    this.#strikes.start();
    this.#scaleLater();
    this.#cancels.push(
      timers.every(SAMPLE_MS, () => this.#sample()),
      timers.every(DECISIONS_MS, () => void this.#readDecisions().catch(() => undefined)),
      timers.every(SAMPLE_MS, () => {
        const { unavailableMs } = faults.limits;
        if (this.#writers.silentMs <= unavailableMs || this.#ending) return;
        this.abort(`no write was acknowledged for ${durationText(unavailableMs)}`);
      }),
    );
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#aborted !== undefined) resolve();
      this.#onAbort = resolve;
      this.#options.runtime.timers.after(ms, resolve);
    });
  }

  #scaleLater(): void {
    const { workload, random, runtime, operator, say } = this.#options;
    const { scaleActors } = workload;
    if (scaleActors === undefined || this.#ending) return;
    runtime.timers.after(drawIn(random, scaleActors.every), () => {
      if (this.#ending || this.#aborted !== undefined) return;
      const actors = Object.entries(scaleActors.actors);
      const [actor, [least, most]] = actors[random.integer(actors.length)] ?? ["", [1, 1]];
      const replicas = least + random.integer(most - least + 1);
      const at = runtime.clock.now();
      operator
        .scale({ [actor]: replicas })
        .then(
          () => this.#scalings.push({ at, what: `${actor}=${replicas}` }),
          (error: Error) => say(`${actor} was not scaled to ${replicas}: ${error.message}`),
        )
        .finally(() => this.#scaleLater());
    });
  }

  #killed({ name, pid }: Target, at: number): void {
    if (pid !== null) this.#kills.push({ process: name, pid, at });
    const direct = name === NATS_SERVER || name.startsWith("apiserver");
    if (!direct || this.#options.workload.writers === 0) return;
    const actor = name.replace(/-\d+$/, "");
    void this.#writers.next().then((ms) => this.#recovery.add(actor, ms));
  }

  #sample(): void {
    const { acknowledged, failed } = this.#writers;
    const { commits } = this.#observer;
    const before = this.#counted;
    this.#counted = { written: acknowledged.length, refused: failed, commits };
    this.#lines.see(this.#strikes.targets);
    this.#samples.push({
      at: this.#options.runtime.clock.now(),
      ...this.#observer.availability(),
      written: acknowledged.length - before.written,
      refused: failed - before.refused,
      commits: commits - before.commits,
    });
  }

  async #readDecisions(): Promise<void> {
    const { history, runtime } = this.#options;
    const from = this.#decisionsUpTo;
    const to = runtime.clock.now() - RECORDED_LATE_MS;
    if (to <= from) return;
    this.#decisionsUpTo = to + 1;
    for (const { actor, replica, key, now, trace } of await history.decisions({ from, to })) {
      this.#work.push({ actor, replica, key, at: this.#observer.commitTime(trace) ?? now });
    }
  }

  /** Everything comes to an end, with time to do so. */
  async #end(): Promise<void> {
    this.#ending = true;
    await Promise.all([this.#rollouts.stop(), this.#writers.stop()]);
    await this.#settled(this.#options.workload.settleWithin);
    for (const cancel of this.#cancels) cancel();
    this.#sample();
    await this.#options.runtime.timers.sleep(RECORDED_LATE_MS + 1);
    await this.#readDecisions();
  }

  async #settled(withinMs: number): Promise<boolean> {
    const { clock, timers } = this.#options.runtime;
    const deadline = clock.monotonic() + withinMs;
    while (clock.monotonic() < deadline) {
      if (this.#observer.unsettled().length === 0) return true;
      await timers.sleep(SETTLED_POLL_MS);
    }
    return false;
  }

  #unsettled(): string {
    return this.#observer.unsettled().slice(0, 5).join(", ");
  }

  async #record(from: number, to: number): Promise<ChaosRecord> {
    const { file, seed, cluster } = this.#options;
    this.#recovery.addWork(this.#kills, [...this.#work, ...this.#observer.nodeWork]);
    const { acknowledged, failed, longestGapMs } = this.#writers;
    const lost = await this.#writers.lost();
    return {
      format: 1,
      file,
      seed,
      from,
      to,
      ...(this.#aborted === undefined ? {} : { aborted: this.#aborted }),
      cluster,
      unsupported: this.#unsupported,
      faults: this.#events,
      spared: this.#strikes.spared,
      processes: this.#lines.lines(),
      scalings: this.#scalings,
      rollouts: [...this.#rollouts.done, ...this.#rollouts.unfinished()],
      samples: this.#samples,
      invariants: INVARIANTS.map(({ name, promise }) => {
        const broken = this.#violations.filter(({ invariant }) => invariant === name).length;
        return { name, promise, broken };
      }),
      violations: this.#violations,
      writes: { acknowledged: acknowledged.length, failed, lost, longestGapMs },
      recovery: this.#recovery.rows(),
    };
  }
}
