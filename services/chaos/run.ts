import type { Running } from "../../shared/actor/dependencies.ts";
import { parseKey } from "../../shared/api/key.ts";
import { logOf } from "../../shared/api/kinds.ts";
import { durationText } from "../../shared/faults/duration.ts";
import type { Faults } from "../../shared/faults/language.ts";
import { unsupportedLive } from "../../shared/faults/support.ts";
import { drawIn } from "../../shared/faults/timetable.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import type { History } from "../../shared/log/history.ts";
import type { RandomStream, Runtime } from "../../shared/runtime/runtime.ts";
import { followLog } from "../verify/follow.ts";
import { INVARIANTS } from "../verify/invariants.ts";
import { verifyStretch } from "../verify/stretch.ts";
import type { Verifier, Violation } from "../verify/verifier.ts";
import type { ClusterApi } from "./api.ts";
import { Lines, processStates, replicaCounts } from "./lines.ts";
import { Namespaces } from "./namespaces.ts";
import { LogObserver } from "./observer.ts";
import { NATS_SERVER, type Operator, type Target } from "./operator.ts";
import type { ChaosRecord, FaultEvent, ProcessState, Sample } from "./record.ts";
import { type Kill, killOf, Recovery, type Work } from "./recovery.ts";
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

const APISERVER = "apiserver";
const SAMPLE_MS = 1_000;
const DECISIONS_MS = 5_000;
/** Records come in a little after they were made. */
const RECORDED_LATE_MS = 3_000;
const SETTLED_POLL_MS = 250;
const STEADY_MS = 30_000;
/** Revisions. An actor is asked a moment before its log is. */
const LAG_MAX = 200;
/** Invariants are checked a few seconds behind the log; later still when it had been away. */
const CHECKED_MS_MAX = 20_000;

/** One run of a fault file on a live cluster. */
export class ChaosRun {
  readonly #options: RunOptions;
  readonly #observer: LogObserver;
  readonly #writers: Writers;
  readonly #rollouts: Rollouts;
  readonly #namespaces: Namespaces;
  readonly #strikes: Strikes;
  readonly #processes = new Lines<ProcessState>();
  readonly #replicas = new Lines<number>();
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
    this.#namespaces = new Namespaces(workload, runtime, api, options.say);
    this.#strikes = new Strikes({
      faults,
      runtime,
      random,
      operator,
      onKill: (target, at, targets) => this.#killed(target, at, targets),
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
    const unchecked = await this.#untilChecked(invariants.verifier);
    await invariants.stop();
    const record = await this.#record({ from, to, unchecked });
    this.#observer.stop();
    await this.#rollouts.cleanUp().catch((error: Error) => say(error.message));
    return record;
  }

  async #checkSteady(): Promise<void> {
    const { operator, faults, say, ignoreState, runtime } = this.#options;
    const deadline = runtime.clock.monotonic() + STEADY_MS;
    for (;;) {
      const targets = await operator.targets();
      const wrong = [...unreachable(targets), ...(await this.#laggards(targets))];
      if (wrong.length === 0 || ignoreState) {
        this.#unsupported = unsupportedLive(
          faults,
          targets.flatMap(({ name, actors }) => [name, ...actors]),
        );
        for (const line of this.#unsupported) say(`not on a live cluster: ${line}`);
        return;
      }
      if (runtime.clock.monotonic() > deadline) {
        throw new Error(`The cluster is not well: ${wrong.slice(0, 5).join(", ")}.`);
      }
      await runtime.timers.sleep(SETTLED_POLL_MS);
    }
  }

  /** Who is further behind its log than goes by when everything is well. */
  async #laggards(targets: readonly Target[]): Promise<string[]> {
    const { logs } = this.#options.history;
    const names = ["cluster", "events", "leases"] as const;
    const heads = await Promise.all(
      names.map(async (log) => [log, await logs[log].head()] as const),
    );
    const headOf = new Map(heads);
    return targets.flatMap(({ replicas }) =>
      replicas.flatMap(({ replica, actor, log, revision }) => {
        const head = log && headOf.get(log);
        if (head === undefined || revision === undefined || head - revision <= LAG_MAX) return [];
        return [`${actor} of ${replica} is ${head - revision} revisions behind`];
      }),
    );
  }

  async #watchInvariants(): Promise<Running & { readonly verifier: Verifier }> {
    const { history, runtime } = this.#options;
    const head = await history.logs.cluster.head();
    const onViolation = (violation: Violation): void => {
      this.#violations.push(violation);
      this.abort(`an invariant is broken: ${violation.invariant}: ${violation.message}`);
    };
    const begun = await verifyStretch(history, { from: head, to: head }, onViolation);
    const onFailure = (error: Error): void =>
      this.#options.say(`the invariants could not be checked: ${error.message}`);
    const following = followLog({ runtime, history, ...begun, onViolation, onFailure });
    return { ...following, verifier: begun.verifier };
  }

  /** Revisions that stay unchecked of what the log has now. */
  async #untilChecked(verifier: Verifier): Promise<number> {
    const { clock, timers } = this.#options.runtime;
    const { revision } = this.#observer;
    const deadline = clock.monotonic() + CHECKED_MS_MAX;
    while (verifier.revision < revision && clock.monotonic() < deadline) {
      await timers.sleep(SETTLED_POLL_MS);
    }
    return Math.max(0, revision - verifier.revision);
  }

  #begin(): void {
    const { runtime, workload, faults } = this.#options;
    const { timers } = runtime;
    this.#writers.start(workload.writers);
    this.#rollouts.start();
    this.#namespaces.start();
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

  #killed(target: Target, at: number, targets: readonly Target[]): void {
    const direct = target.name === NATS_SERVER || target.actors.includes(APISERVER);
    if (!direct) this.#kills.push(killOf(target, at, targets));
    else if (this.#options.workload.writers > 0) {
      const process = target.name;
      const actor = process === NATS_SERVER ? NATS_SERVER : APISERVER;
      void this.#writers.next().then((ms) => this.#recovery.add({ actor, process, at, ms }));
    }
  }

  #sample(): void {
    const { acknowledged, failed } = this.#writers;
    const { commits } = this.#observer;
    const before = this.#counted;
    this.#counted = { written: acknowledged, refused: failed, commits };
    const { targets } = this.#strikes;
    const at = this.#options.runtime.clock.now();
    this.#processes.see(processStates(targets), at);
    this.#replicas.see(replicaCounts(targets), at);
    this.#samples.push({
      at,
      ...this.#observer.availability(),
      written: acknowledged - before.written,
      refused: failed - before.refused,
      commits: commits - before.commits,
    });
  }

  async #readDecisions(): Promise<void> {
    const { history, runtime } = this.#options;
    const from = this.#decisionsUpTo;
    const to = runtime.clock.now() - RECORDED_LATE_MS;
    if (to <= from) return;
    const records = await history.decisions({ from, to });
    // Another reading may have been under way.
    if (this.#decisionsUpTo !== from) return;
    this.#decisionsUpTo = to + 1;
    for (const record of records) {
      const { actor, replica, key, now, trace } = record;
      // Node agents' work is seen in the log; what expires is done when the clock says so.
      if (actor === "kubelet" || logOf(parseKey(key).resource) !== "cluster") continue;
      const due = this.#dueSince(record);
      // What no change has caused is done by the clock.
      if (due === undefined) continue;
      const at = this.#observer.commitTime(trace) ?? now;
      this.#work.push({ actor, replica, key, at, due });
    }
  }

  /** When what a decision answers had happened; a pass of the scheduler answers many pods. */
  #dueSince({ actor, key, cause }: DecisionRecord): number | undefined {
    return actor === "scheduler"
      ? this.#observer.podCreated(key)
      : this.#observer.commitTime(cause);
  }

  /** Everything comes to an end, with time to do so. */
  async #end(): Promise<void> {
    this.#ending = true;
    await Promise.all([this.#rollouts, this.#namespaces, this.#writers].map((each) => each.stop()));
    await this.#settled(this.#options.workload.settleWithin);
    for (const cancel of this.#cancels) cancel();
    this.#sample();
    await this.#options.runtime.timers.sleep(RECORDED_LATE_MS + 1);
    await this.#readDecisions().catch((error: Error) =>
      this.#options.say(`the last decisions are not known: ${error.message}`),
    );
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

  async #record(measured: Pick<ChaosRecord, "from" | "to" | "unchecked">): Promise<ChaosRecord> {
    const { file, seed, cluster } = this.#options;
    this.#recovery.addWork(this.#kills, [...this.#work, ...this.#observer.nodeWork]);
    const { acknowledged, failed, longestGapMs } = this.#writers;
    const lost = await this.#writers.lost();
    return {
      format: 1,
      file,
      seed,
      ...measured,
      ...(this.#aborted === undefined ? {} : { aborted: this.#aborted }),
      cluster,
      unsupported: this.#unsupported,
      faults: this.#events,
      spared: this.#strikes.spared,
      processes: this.#processes.lines(),
      actors: this.#replicas.lines(),
      scalings: this.#scalings,
      rollouts: [...this.#rollouts.done, ...this.#rollouts.unfinished()],
      samples: this.#samples,
      invariants: INVARIANTS.map(({ name, promise }) => {
        const broken = this.#violations.filter(({ invariant }) => invariant === name).length;
        return { name, promise, broken };
      }),
      violations: this.#violations,
      writes: { acknowledged, failed, lost, longestGapMs },
      recovery: [...this.#recovery.rows(), this.#recovery.total()],
      recovered: this.#recovery.measured.filter(({ ms }) => ms !== undefined),
    };
  }
}

function unreachable(targets: readonly Target[]): string[] {
  const wrong = targets.filter(({ pid, paused, answers }) => !pid || paused || !answers);
  return wrong.map(({ name }) => `${name} cannot be reached`);
}
