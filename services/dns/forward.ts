import { createSocket } from "node:dgram";
import { connect, isIP } from "node:net";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { MessageReader, questionOf, withLength } from "./framing.ts";

export interface ForwarderOptions {
  readonly runtime: Runtime;
  readonly upstreams: readonly Upstream[];
}

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

const ATTEMPT_MS = 1500;
/** Resolvers give up after five seconds; an answer must come before. */
const DEADLINE_MS = 4500;
const UNDER_WAY_MAX = 1000;
/** After all upstreams have failed, questions fail at once for this long. */
const DARK_MS = 1000;
const DNS_PORT = 53;

/** The name servers of a resolv.conf, without those that `own` says are ourselves. */
export function upstreamsOf(resolvConf: string, own: (address: string) => boolean): Upstream[] {
  return resolvConf
    .split("\n")
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address.replace(/%.*$/, "")) !== 0 && !own(address))
    .map((address) => ({ address, port: DNS_PORT }));
}

/** Asks the machine's own name servers what is not the cluster's. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  /** Questions of ours that are under way: one that comes back to us is a loop. */
  readonly #asked = new Map<string, number>();
  #preferred = 0;
  #underWay = 0;
  #darkUntil = Number.NEGATIVE_INFINITY;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** True when the query is one of our own that came back. */
  isLoop(query: Buffer): boolean {
    return this.#asked.has(fingerprint(query));
  }

  /** The upstream's response to the query, with the query's id; undefined: nobody answered. */
  async forward(query: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    const { runtime, upstreams } = this.#options;
    const startedAt = runtime.clock.monotonic();
    if (upstreams.length === 0 || this.#underWay >= UNDER_WAY_MAX) return undefined;
    if (startedAt < this.#darkUntil) return undefined;
    this.#underWay++;
    try {
      for (let attempt = 0; attempt < upstreams.length * 2; attempt++) {
        const left = DEADLINE_MS - (runtime.clock.monotonic() - startedAt);
        if (left <= 0) break;
        const index = (this.#preferred + attempt) % upstreams.length;
        const response = await this.#ask(query, upstreams[index]!, overTcp, left);
        if (response === undefined) continue;
        this.#preferred = index;
        return response;
      }
      this.#darkUntil = runtime.clock.monotonic() + DARK_MS;
      return undefined;
    } finally {
      this.#underWay--;
    }
  }

  async #ask(
    query: Buffer,
    upstream: Upstream,
    overTcp: boolean,
    leftMs: number,
  ): Promise<Buffer | undefined> {
    const { runtime } = this.#options;
    // A fresh id for each attempt: a stranger who wants to answer first has to guess it.
    const ours = Buffer.from(query);
    ours.writeUInt16BE(runtime.random.stream("dns/forward").integer(0x10000), 0);
    const print = fingerprint(ours);
    this.#asked.set(print, (this.#asked.get(print) ?? 0) + 1);
    try {
      const exchange = overTcp ? exchangeTcp : exchangeUdp;
      const response = await exchange(runtime, ours, upstream, Math.min(ATTEMPT_MS, leftMs));
      if (response === undefined) return undefined;
      const restored = Buffer.from(response);
      query.copy(restored, 0, 0, 2);
      return restored;
    } finally {
      const others = (this.#asked.get(print) ?? 1) - 1;
      if (others === 0) this.#asked.delete(print);
      else this.#asked.set(print, others);
    }
  }
}

type Exchange = (
  runtime: Runtime,
  query: Buffer,
  upstream: Upstream,
  timeoutMs: number,
) => Promise<Buffer | undefined>;

const exchangeUdp: Exchange = (runtime, query, upstream, timeoutMs) =>
  new Promise((resolve) => {
    const socket = createSocket(isIP(upstream.address) === 6 ? "udp6" : "udp4");
    const finish = (response: Buffer | undefined): void => {
      cancel();
      socket.removeAllListeners();
      // Errors that arrive after the end concern nobody.
      socket.on("error", () => undefined);
      socket.close();
      resolve(response);
    };
    const cancel = runtime.timers.after(timeoutMs, () => finish(undefined));
    socket.on("error", () => finish(undefined));
    socket.on("message", (response) => {
      if (isAnswerTo(query, response)) finish(response);
    });
    socket.connect(upstream.port, upstream.address, () => socket.send(query));
  });

const exchangeTcp: Exchange = (runtime, query, upstream, timeoutMs) =>
  new Promise((resolve) => {
    const socket = connect({ host: upstream.address, port: upstream.port });
    const reader = new MessageReader();
    const finish = (response: Buffer | undefined): void => {
      cancel();
      socket.destroy();
      resolve(response);
    };
    const cancel = runtime.timers.after(timeoutMs, () => finish(undefined));
    socket.on("connect", () => socket.write(withLength(query)));
    socket.on("error", () => finish(undefined));
    socket.on("close", () => finish(undefined));
    socket.on("data", (chunk) => {
      const response = reader.push(chunk).find((message) => isAnswerTo(query, message));
      if (response !== undefined) finish(response);
    });
  });

/** Same id, a response, and about the same question. */
function isAnswerTo(query: Buffer, response: Buffer): boolean {
  if (response.length < 12 || (response[2]! & 0x80) === 0) return false;
  return fingerprint(response) === fingerprint(query);
}

function fingerprint(message: Buffer): string {
  const id = message.length < 2 ? -1 : message.readUInt16BE(0);
  return `${id} ${questionOf(message)}`;
}
