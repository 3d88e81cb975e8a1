/** What is done to supervised processes on purpose, by order. */
import type { SignalOrder } from "../chaos/orders.ts";
import type { Supervisor } from "./supervisor.ts";

/** The answer is under way before the server that carries it is struck. */
const ANSWER_MS = 30;

/** Carries out an order; answers what `SignalOrder` says. @throws Error with the reason */
export function obeySignal(supervisor: Supervisor, order: SignalOrder): unknown {
  if (order.type === "resume") return supervisor.resume(order.process);
  const { process: name } = order;
  const found = supervisor.status().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no process is called ${name}`);
  if (found.pid === null) throw new Error(`${name} does not run at the moment`);
  const strike = (): number =>
    order.type === "kill"
      ? supervisor.kill(name, order.downMs)
      : supervisor.pause(name, order.forMs);
  if (name !== "nats-server") return { pid: strike(), at: Date.now() };
  setTimeout(() => tolerate(strike), ANSWER_MS);
  return { pid: found.pid, at: Date.now() + ANSWER_MS };
}

/** It may have ended by itself meanwhile. */
function tolerate(strike: () => number): void {
  try {
    strike();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
