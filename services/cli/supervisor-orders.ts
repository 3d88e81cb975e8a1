/** What the supervisor can be told over the bus. */
import type { z } from "zod";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { orderSubject, serveRequests } from "../../shared/actor/orders.ts";
import { supervisorOrder } from "../chaos/orders.ts";
import type { ClusterSettings, Paths } from "./cluster.ts";
import { connectBus } from "./process/bus.ts";
import type { Supervisor } from "./supervisor.ts";
import { OPERATOR_USER } from "./users.ts";

/** The answer is under way before the server that carries it is struck. */
const ANSWER_MS = 30;

/** Serves orders as long as the supervisor runs. */
export async function serveSupervisor(
  supervisor: Supervisor,
  context: { readonly settings: ClusterSettings; readonly paths: Paths },
): Promise<void> {
  const { bus } = await connectBus(context, "supervisor", OPERATOR_USER);
  const obey = async (order: z.infer<typeof supervisorOrder>): Promise<unknown> => {
    if (order.type === "processes") return supervisor.processes();
    if (order.type === "resume") return supervisor.resume(order.process);
    const found = supervisor.processes().find(({ name }) => name === order.process);
    if (found === undefined) throw new Error(`no process is called ${order.process}`);
    if (found.pid === undefined) throw new Error(`${order.process} does not run at the moment`);
    const strike = (): number =>
      order.type === "kill"
        ? supervisor.kill(order.process, order.downMs)
        : supervisor.pause(order.process, order.forMs);
    if (order.process !== "nats-server") return { pid: strike(), at: Date.now() };
    setTimeout(() => tolerate(strike), ANSWER_MS);
    return { pid: found.pid, at: Date.now() + ANSWER_MS };
  };
  const serving = { bus, logger: silentLogger };
  serveRequests(serving, orderSubject("supervisor"), supervisorOrder, obey);
}

/** It may have ended by itself meanwhile. */
function tolerate(strike: () => number): void {
  try {
    strike();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  }
}
