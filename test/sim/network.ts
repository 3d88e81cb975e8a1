import {
  type Bus,
  type BusMessage,
  NoResponderError,
  RequestTimeoutError,
  type Subscription,
} from "../../shared/actor/bus.ts";
import { type Faults, latencyOf, names } from "../../shared/faults/language.ts";
import type { RandomStream } from "../../shared/runtime/runtime.ts";
import type { SeededRuntime, SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { Dice } from "./dice.ts";

/** A cut between a process and the bus, by direction. */
export interface Cut {
  readonly send: boolean;
  readonly receive: boolean;
}

/**
 * The bus between simulated processes. It promises what NATS' core does and no more: at most once
 * (messages may be lost; here they may also be doubled), in order from one sender to one receiver,
 * in any order between different senders.
 */
export class SimulatedNetwork {
  readonly simulator: SeededRuntime;
  faults: Faults;
  /** Decides which of them happen. */
  dice: Dice;
  /** Sees every message that is sent. */
  onSend: ((subject: string, data: Uint8Array) => void) | undefined;
  /** True: the message waits until `release`, whatever befalls its sender. */
  holdsBack: ((from: SimulatedProcess, data: Uint8Array) => boolean) | undefined;
  #heldBack: (() => void)[] = [];
  readonly #random: RandomStream;
  /** By exact subject; patterns apart. */
  readonly #exact = new Map<string, Set<SimulatedSubscription>>();
  readonly #patterns = new Set<SimulatedSubscription>();
  readonly #cuts = new Map<SimulatedProcess, Cut>();
  /** Until when a process's way to the bus is clogged. */
  readonly #clogged = new Map<SimulatedProcess, number>();
  /** When the last message from one process to another arrives: the next one not before. */
  readonly #lastArrival = new Map<SimulatedProcess, Map<SimulatedProcess, number>>();
  readonly #buses = new Map<SimulatedProcess, SimulatedBus[]>();
  #inboxes = 0;

  constructor(simulator: SeededRuntime, faults: Faults) {
    this.simulator = simulator;
    this.faults = faults;
    this.dice = new Dice(simulator);
    this.#random = simulator.random.stream("network");
  }

  connect(process: SimulatedProcess): Bus {
    const bus = new SimulatedBus(this, process);
    const buses = this.#buses.get(process);
    if (buses) buses.push(bus);
    else {
      this.#buses.set(process, [bus]);
      process.onCrash(() => this.#forget(process));
    }
    return bus;
  }

  /** Cuts the process off, or (undefined) heals it. */
  cut(process: SimulatedProcess, cut: Cut | undefined): void {
    if (cut === undefined) this.#cuts.delete(process);
    else this.#cuts.set(process, cut);
    // A client notices a cut in both directions; of one direction it learns nothing.
    const connected = cut === undefined || !(cut.send && cut.receive);
    for (const bus of this.#buses.get(process) ?? []) bus.setConnected(connected);
  }

  isCut(process: SimulatedProcess): boolean {
    return this.#cuts.has(process);
  }

  freshInbox(): string {
    return `_INBOX.${++this.#inboxes}`;
  }

  add(subscription: SimulatedSubscription): void {
    if (subscription.tokens !== undefined) {
      this.#patterns.add(subscription);
      return;
    }
    const others = this.#exact.get(subscription.pattern);
    if (others) others.add(subscription);
    else this.#exact.set(subscription.pattern, new Set([subscription]));
  }

  remove(subscription: SimulatedSubscription): void {
    this.#patterns.delete(subscription);
    const others = this.#exact.get(subscription.pattern);
    if (others?.delete(subscription) && others.size === 0) this.#exact.delete(subscription.pattern);
  }

  /** Sends to whoever subscribes; false when nobody does. */
  route(from: SimulatedProcess, subject: string, data: Uint8Array, reply?: string): boolean {
    this.onSend?.(subject, data);
    if (this.holdsBack?.(from, data)) {
      this.#heldBack.push(() => {
        for (const receiver of this.#receivers(subject)) {
          this.#transmit(from, receiver, subject, data, reply);
        }
      });
      return true;
    }
    const receivers = this.#receivers(subject);
    if (receivers.length === 0) return false;
    if (this.#cuts.get(from)?.send) return true;
    for (const receiver of receivers) this.#transmit(from, receiver, subject, data, reply);
    return true;
  }

  /** Sends what was held back, and holds nothing back any more. */
  release(): void {
    this.holdsBack = undefined;
    for (const send of this.#heldBack.splice(0)) send();
  }

  #receivers(subject: string): SimulatedSubscription[] {
    const plain: SimulatedSubscription[] = [];
    const queues = new Map<string, SimulatedSubscription[]>();
    const sort = (subscription: SimulatedSubscription): void => {
      if (subscription.queue === undefined) {
        plain.push(subscription);
        return;
      }
      const members = queues.get(subscription.queue);
      if (members) members.push(subscription);
      else queues.set(subscription.queue, [subscription]);
    };
    for (const subscription of this.#exact.get(subject) ?? []) sort(subscription);
    if (this.#patterns.size > 0) {
      const tokens = subject.split(".");
      for (const subscription of this.#patterns) {
        if (matches(subscription.tokens ?? [], tokens)) sort(subscription);
      }
    }
    for (const members of queues.values())
      plain.push(members[this.#random.integer(members.length)]!);
    return plain;
  }

  #transmit(
    from: SimulatedProcess,
    to: SimulatedSubscription,
    subject: string,
    data: Uint8Array,
    reply: string | undefined,
  ): void {
    const { loss, duplicate } = this.faults;
    const site = from.name;
    if (loss && names(loss.actor, site) && this.dice.roll("loss", site, loss.probability)) return;
    const doubles = duplicate !== undefined && names(duplicate.actor, from.name);
    const copies = doubles && this.dice.roll("duplicate", site, duplicate.probability) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const arrival = this.#arrival(from, to.process);
      const delay = arrival - this.simulator.nowMs;
      this.simulator.schedule(to.process, delay, "receive", () => {
        if (to.stopped || this.#cuts.get(to.process)?.receive) return;
        to.deliver(subject, data, reply);
      });
    }
  }

  /** Latency, clogging, and order between the two. */
  #arrival(from: SimulatedProcess, to: SimulatedProcess): number {
    const { simulator, faults } = this;
    const [least, most] = latencyOf(faults, from.name);
    let time = simulator.nowMs + least + this.#random.next() * (most - least);
    time = Math.max(time, this.#cloggedUntil(from), this.#cloggedUntil(to));
    let arrivals = this.#lastArrival.get(from);
    if (arrivals === undefined) {
      arrivals = new Map();
      this.#lastArrival.set(from, arrivals);
    }
    time = Math.max(time, arrivals.get(to) ?? 0);
    arrivals.set(to, time);
    return time;
  }

  #cloggedUntil(process: SimulatedProcess): number {
    const { clog } = this.faults;
    if (clog === undefined || !names(clog.actor, process.name)) return 0;
    const until = this.#clogged.get(process) ?? 0;
    if (until > this.simulator.nowMs) return until;
    const drawn = this.dice.roll("clog", process.name, clog.probability);
    if (drawn === undefined) return until;
    const next = this.simulator.nowMs + clog.meanMs * 2 * drawn.next();
    this.#clogged.set(process, next);
    return next;
  }

  #forget(process: SimulatedProcess): void {
    for (const bus of this.#buses.get(process) ?? []) bus.close();
    this.#buses.delete(process);
    this.#cuts.delete(process);
    this.#lastArrival.delete(process);
  }
}

/** One subscription of one process. */
class SimulatedSubscription implements Subscription {
  readonly network: SimulatedNetwork;
  readonly process: SimulatedProcess;
  readonly pattern: string;
  /** Of a pattern with wildcards. */
  readonly tokens: readonly string[] | undefined;
  readonly queue: string | undefined;
  stopped = false;
  readonly #handler: (message: BusMessage) => void;
  readonly #bus: Bus;

  constructor(
    network: SimulatedNetwork,
    process: SimulatedProcess,
    bus: Bus,
    pattern: string,
    queue: string | undefined,
    handler: (message: BusMessage) => void,
  ) {
    this.network = network;
    this.process = process;
    this.#bus = bus;
    this.pattern = pattern;
    this.tokens = /[*>]/.test(pattern) ? pattern.split(".") : undefined;
    this.queue = queue;
    this.#handler = handler;
  }

  deliver(subject: string, data: Uint8Array, reply: string | undefined): void {
    const respond = (answer: Uint8Array): void => {
      if (reply !== undefined) this.#bus.publish(reply, answer);
    };
    this.#handler({ subject, data, respond, ...(reply === undefined ? {} : { reply }) });
  }

  stop(): void {
    this.stopped = true;
    this.network.remove(this);
  }
}

class SimulatedBus implements Bus {
  readonly #network: SimulatedNetwork;
  readonly #process: SimulatedProcess;
  readonly #subscriptions = new Set<SimulatedSubscription>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  #connected = true;

  constructor(network: SimulatedNetwork, process: SimulatedProcess) {
    this.#network = network;
    this.#process = process;
  }

  get connected(): boolean {
    return this.#connected;
  }

  publish(subject: string, data: Uint8Array, options: { reply?: string } = {}): void {
    if (!this.#mayAct("send")) return;
    this.#network.route(this.#process, subject, data, options.reply);
  }

  subscribe(
    pattern: string,
    handler: (message: BusMessage) => void,
    options: { queue?: string } = {},
  ): Subscription {
    const subscription = new SimulatedSubscription(
      this.#network,
      this.#process,
      this,
      pattern,
      options.queue,
      handler,
    );
    if (!this.#process.alive) return subscription;
    this.#network.add(subscription);
    this.#subscriptions.add(subscription);
    return {
      stop: () => {
        subscription.stop();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    return new Promise((resolve, reject) => {
      if (!this.#mayAct("send")) return;
      const reply = this.inbox();
      const subscription = this.subscribe(reply, (message) => {
        end();
        resolve(message);
      });
      const fail = (error: Error): void => {
        end();
        reject(error);
      };
      const cancel = this.#process.timers.after(timeoutMs, () => {
        fail(new RequestTimeoutError(`no answer on ${subject} within ${timeoutMs} ms`));
      });
      const end = (): void => {
        cancel();
        subscription.stop();
      };
      if (this.#network.route(this.#process, subject, data, reply)) return;
      // The server says so, which takes as long as an answer.
      const [soon] = latencyOf(this.#network.faults, this.#process.name);
      this.#process.timers.after(soon, () => fail(new NoResponderError(`nobody on ${subject}`)));
    });
  }

  inbox(): string {
    return this.#network.freshInbox();
  }

  flush(): Promise<void> {
    const [least] = latencyOf(this.#network.faults, this.#process.name);
    return this.#process.timers.sleep(least);
  }

  onStatus(listener: (connected: boolean) => void): Subscription {
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  setConnected(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.stop();
    this.#subscriptions.clear();
    this.#listeners.clear();
  }

  #mayAct(effect: string): boolean {
    const { simulator } = this.#network;
    if (this.#process.alive) simulator.boundary?.(this.#process, effect);
    return this.#process.alive;
  }
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let index = 0; index < pattern.length; index++) {
    const token = pattern[index];
    if (token === ">") return index < subject.length;
    if (index >= subject.length || (token !== "*" && token !== subject[index])) return false;
  }
  return pattern.length === subject.length;
}
