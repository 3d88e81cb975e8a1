import { z } from "zod";
import { escapeToken } from "../../nats/subjects.ts";
import type { Cancel } from "../runtime/runtime.ts";
import type { Bus, BusMessage, Subscription } from "./bus.ts";
import type { ActorDependencies } from "./dependencies.ts";
import { type FaultSwitch, Faults } from "./faults.ts";

/**
 * Orders of the operator to running processes: one request, one answer, on a subject of the process
 * or on one that all processes hear. Only the operator's bus user may publish there
 * (nats/permissions.ts).
 */

/** Subject of the orders to one process, e.g. `control-2`, `node-node-1`, `supervisor`. */
export function orderSubject(process: string): string {
  return `process.${escapeToken(process)}.order`;
}

/** Every process hears it and answers: who runs need not be known. The supervisor does not. */
export const EVERY_PROCESS = "processes.order";

/** A fault that heals by itself, at the latest. */
export const FAULT_MS_MAX = 24 * 60 * 60_000;

/** Longer profiles would not fit into an answer. */
export const PROFILE_MS_MAX = 60_000;

const faultOrder = z.strictObject({
  type: z.literal("fault"),
  /** Names it until it is healed; the same again replaces it. */
  id: z.string().min(1),
  /** Heals by itself after so long, milliseconds. */
  forMs: z.number().int().min(1).max(FAULT_MS_MAX),
  /** What goes wrong; the fault switch knows the shape. */
  fault: z.looseObject({}),
});

/** What a process can be told to do. */
export const orderSchema = z.discriminatedUnion("type", [
  /** Runs exactly these actors from now on; answered when those that go have stopped. */
  z.strictObject({ type: z.literal("run"), actors: z.array(z.string().min(1)) }),
  /** Answers a `ProcessState`. With `keys`, replicas count the keys that they own. */
  z.strictObject({ type: z.literal("state"), keys: z.boolean().optional() }),
  faultOrder,
  /** Answers the CPU profile of so many milliseconds: V8's JSON, gzip, base64. */
  z.strictObject({
    type: z.literal("profile"),
    forMs: z.number().int().min(1).max(PROFILE_MS_MAX),
  }),
  /** Ends a fault; without an id, all of them. One that is not there is no error. */
  z.strictObject({ type: z.literal("heal"), id: z.string().min(1).optional() }),
]);

export type Order = z.infer<typeof orderSchema>;
export type FaultOrder = z.infer<typeof faultOrder>;

/** A replica of an actor. What an actor does not know about itself is absent. */
const actorState = z.object({
  actor: z.string(),
  replica: z.string(),
  /** The log whose revisions it goes by. */
  log: z.enum(["cluster", "events", "leases"]).optional(),
  /** Last revision of that log that it has seen. */
  revision: z.number().optional(),
  /** Keys of its primary resource that it owns; of the scheduler: pods without a node. */
  keys: z.number().optional(),
  /** Keys that wait for it. */
  queued: z.number().optional(),
  /** Plans under way. */
  inFlight: z.number().optional(),
  /** Since it started: passes, or requests answered. */
  passes: z.number().optional(),
  committed: z.number().optional(),
  refused: z.number().optional(),
  failed: z.number().optional(),
});

/** A process, asked for its state. */
const processState = z.object({
  process: z.string(),
  pid: z.number(),
  /** Of the program. */
  version: z.string(),
  /** Since the process started, milliseconds. */
  uptimeMs: z.number(),
  /** Resident memory of the process, bytes. */
  memoryBytes: z.number(),
  /** CPU time used since it started, milliseconds. */
  cpuMs: z.number(),
  /** Ids of the faults that it suffers. */
  faults: z.array(z.string()),
  actors: z.array(actorState),
});

export type ActorState = Readonly<z.infer<typeof actorState>>;
export type ProcessState = Readonly<Omit<z.infer<typeof processState>, "actors">> & {
  readonly actors: readonly ActorState[];
};

/** @throws z.ZodError when it is none. */
export function parseProcessState(answer: unknown): ProcessState {
  return processState.parse(answer);
}

export interface OrderHandlers {
  /** @throws Error with the reason when it cannot run them. */
  run(actors: readonly string[]): Promise<void>;
  state(withKeys: boolean): Promise<Omit<ProcessState, "faults">>;
  profile(forMs: number): Promise<string>;
  readonly faults: FaultSwitch;
}

type Answer = { readonly ok: true; readonly result?: unknown } | { ok: false; error: string };

const answerSchema = z.union([
  z.object({ ok: z.literal(true), result: z.unknown().optional() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);

/** The process was reached and did not do it. The message says why. */
export class OrderRefusedError extends Error {
  override readonly name = "OrderRefusedError";
}

type Serving = Pick<ActorDependencies, "runtime" | "bus" | "logger">;

/** Obeys orders to a process until stopped; its faults are healed then. */
export function serveOrders(
  dependencies: Serving,
  process: string,
  handlers: OrderHandlers,
): Subscription {
  const faults = new Faults(dependencies, handlers.faults);
  const obey = async (order: Order): Promise<unknown> => {
    if (order.type === "run") return handlers.run(order.actors);
    if (order.type === "fault") return faults.apply(order);
    if (order.type === "profile") return handlers.profile(order.forMs);
    if (order.type === "heal") return faults.heal(order.id);
    return { ...(await handlers.state(order.keys ?? false)), faults: handlers.faults.active() };
  };
  const subscriptions = [orderSubject(process), EVERY_PROCESS].map((subject) =>
    serveRequests(dependencies, subject, orderSchema, obey),
  );
  return {
    stop: () => {
      for (const subscription of subscriptions) subscription.stop();
      faults.heal();
    },
  };
}

/** Answers the orders on a subject with what `obey` returns, or with the message that it throws. */
export function serveRequests<Request>(
  { bus, logger }: Pick<Serving, "bus" | "logger">,
  subject: string,
  schema: z.ZodType<Request>,
  obey: (order: Request) => Promise<unknown>,
): Subscription {
  const answer = async ({ data }: BusMessage): Promise<Answer> => {
    try {
      const result = await obey(schema.parse(JSON.parse(Buffer.from(data).toString())));
      return result === undefined ? { ok: true } : { ok: true, result };
    } catch (error) {
      logger.warn({ err: error }, "order refused");
      const message = error instanceof z.ZodError ? z.prettifyError(error) : undefined;
      return { ok: false, error: message ?? (error as Error).message };
    }
  };
  return bus.subscribe(subject, (message) => {
    void answer(message).then((said) => message.respond(Buffer.from(JSON.stringify(said))));
  });
}

/**
 * Gives an order to one process.
 * @returns what it answered
 * @throws OrderRefusedError, NoResponderError when no process is called so, RequestTimeoutError.
 */
export async function sendOrder<Request = Order>(
  bus: Pick<Bus, "request">,
  process: string,
  order: Request,
  timeoutMs: number,
): Promise<unknown> {
  const data = Buffer.from(JSON.stringify(order));
  return resultOf((await bus.request(orderSubject(process), data, timeoutMs)).data);
}

/**
 * Gives an order to every process that hears it.
 * @returns the answers that came within `waitMs`, or as soon as there are `expected` of them;
 *   refusals are left out.
 */
export function sendToEvery(
  { bus, runtime }: Pick<Serving, "bus" | "runtime">,
  order: Order,
  waitMs: number,
  expected = Number.POSITIVE_INFINITY,
): Promise<unknown[]> {
  const reply = bus.inbox();
  const answers: unknown[] = [];
  return new Promise((resolve) => {
    let cancel: Cancel = () => undefined;
    const finish = (): void => {
      cancel();
      subscription.stop();
      resolve(answers);
    };
    const subscription = bus.subscribe(reply, ({ data }) => {
      try {
        answers.push(resultOf(data));
      } catch {
        // Its process says so in its log.
      }
      if (answers.length >= expected) finish();
    });
    cancel = runtime.timers.after(waitMs, finish);
    bus.publish(EVERY_PROCESS, Buffer.from(JSON.stringify(order)), { reply });
  });
}

function resultOf(data: Uint8Array): unknown {
  const text = Buffer.from(data).toString();
  // NATS tells a publisher of a request with an empty message that nobody listens.
  if (text === "") throw new OrderRefusedError("nobody listens");
  const answer = answerSchema.parse(JSON.parse(text));
  if (!answer.ok) throw new OrderRefusedError(answer.error);
  return answer.result;
}
