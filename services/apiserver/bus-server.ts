import { unescapeToken } from "../../nats/subjects.ts";
import type {
  PlanRequest,
  PlanResponse,
  PlansResponse,
  ResourceReply,
  StatusBody,
} from "../../shared/actor/api.ts";
import { announceArrival } from "../../shared/actor/arrivals.ts";
import type { Bus, BusMessage, Subscription } from "../../shared/actor/bus.ts";
import type { Running } from "../../shared/actor/dependencies.ts";
import { badRequest, requestTooLarge, statusOf } from "../../shared/api/errors.ts";
import { parseKey } from "../../shared/api/key.ts";
import { kindByResource } from "../../shared/api/kinds.ts";
import type { KindTable, SubresourceTable } from "../../shared/api/schema.ts";
import { VALUE_BYTES_MAX } from "../../shared/store/store.ts";
import { EventIndex } from "./bus/event-index.ts";
import { publishEvents } from "./bus/events.ts";
import { Heartbeats } from "./bus/heartbeats.ts";
import { userOfIdentity } from "./bus/identity.ts";
import {
  eventsMessage,
  getMessage,
  heartbeatMessage,
  moreMessage,
  parseMessage,
  planMessage,
  plansMessage,
  resourceMessage,
  stopMessage,
  tokenMessage,
  watchMessage,
} from "./bus/messages.ts";
import { BusWatches } from "./bus/watches.ts";
import type { EngineContext } from "./context.ts";
import type { BodyResponse, Engine, ResourceRequest, UserInfo } from "./request.ts";
import { storeStatus } from "./write.ts";

const QUEUE = "apiserver";
/**
 * Verbs that are served as they come. The others may decide on a hundred writes each; between two
 * of them whatever else has arrived has its turn, so that people do not wait behind all of them.
 */
const LIGHT: ReadonlySet<string> = new Set(["get", "watch", "token"]);

export interface BusServerOptions {
  /** As the apiserver. */
  readonly bus: Bus;
  readonly engine: Engine;
  readonly context: EngineContext;
  readonly replica: string;
}

/** Serves what actors ask over the bus (shared/actor/api.ts), and hears nodes' heartbeats. */
export function serveBus(options: BusServerOptions): Running {
  const { bus, context, replica } = options;
  const server = new BusServer(options);
  const heartbeats = new Heartbeats(context, replica);
  const subscriptions: Subscription[] = [
    bus.subscribe("api.*.*", (message) => server.request(message), { queue: QUEUE }),
    // Every replica hears these: only the one that serves the watch knows the consumer.
    bus.subscribe("api.*.more", (message) => server.more(message)),
    bus.subscribe("api.*.stop", (message) => server.stop(message)),
    bus.subscribe("heartbeat.*", (message) => heartbeat(message, heartbeats), { queue: QUEUE }),
    bus.subscribe("heartbeats", (message) => heartbeat(message, heartbeats), { queue: QUEUE }),
  ];
  subscriptions.push(announceArrival(bus, replica));
  return {
    stop: async () => {
      for (const subscription of subscriptions) subscription.stop();
      server.close();
      await server.settled();
    },
  };
}

/**
 * A node beats for itself only: the subject says who it is. Who may publish without a name beats
 * for any node.
 */
function heartbeat(message: BusMessage, heartbeats: Heartbeats): void {
  const [, token] = message.subject.split(".");
  const self = token === undefined ? undefined : unescapeToken(token);
  const nodes = quietly(() => parseMessage(heartbeatMessage, message.data).nodes) ?? [];
  heartbeats.beat(nodes.filter((node) => self === undefined || node === self));
}

class BusServer {
  readonly #bus: Bus;
  readonly #engine: Engine;
  readonly #context: EngineContext;
  readonly #watches: BusWatches;
  readonly #events: EventIndex;
  readonly #replica: string;
  readonly #underWay = new Set<Promise<void>>();
  /** Plans under way by trace: a repetition joins the first. */
  readonly #plans = new Map<string, Promise<PlanResponse>>();

  constructor({ bus, engine, context, replica }: BusServerOptions) {
    this.#bus = bus;
    this.#engine = engine;
    this.#context = context;
    this.#replica = replica;
    this.#watches = new BusWatches(context);
    this.#events = new EventIndex(context.logs.events.projection);
  }

  close(): void {
    this.#watches.stopAll();
  }

  async settled(): Promise<void> {
    // A request may leave the parts of it behind.
    this.#context.turns.flush();
    await Promise.all(this.#underWay);
  }

  request(message: BusMessage): void {
    const { verb } = subjectOf(message);
    if (verb === "more" || verb === "stop") return;
    if (LIGHT.has(verb)) {
      this.#take(message);
      return;
    }
    this.#context.turns.push(() => this.#take(message));
  }

  #take(message: BusMessage): void {
    const { identity, verb } = subjectOf(message);
    const work = this.#serve(identity, verb, message).catch((error: unknown) => {
      const status = statusOf(storeStatus(error));
      if (status.code === 500)
        this.#context.logger.error({ err: error, verb }, "a bus request failed");
      message.respond(encode(status));
    });
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  more(message: BusMessage): void {
    const { consumer, received } = quietly(() => parseMessage(moreMessage, message.data)) ?? {};
    if (consumer === undefined || received === undefined) return;
    this.#watches.more(subjectOf(message).identity, consumer, received);
  }

  stop(message: BusMessage): void {
    const { consumer } = quietly(() => parseMessage(stopMessage, message.data)) ?? {};
    if (consumer !== undefined) this.#watches.stop(subjectOf(message).identity, consumer);
  }

  async #serve(identity: string, verb: string, message: BusMessage): Promise<void> {
    const user = userOfIdentity(identity);
    switch (verb) {
      case "plan":
        return respond(
          message,
          encode(await this.#plan(user, parseMessage(planMessage, message.data))),
        );
      case "plans":
        return respond(message, encode(await this.#planEach(user, message)));
      case "get":
        return respond(message, await this.#get(user, message.data));
      case "watch":
        return this.#watch(identity, user, message);
      case "event": {
        const request = parseMessage(eventsMessage, message.data);
        const published = await publishEvents(this.#context, this.#events, user, request);
        return respond(message, encode({ published }));
      }
      case "token":
        return respond(message, await this.#token(user, message.data));
      case "request":
        return respond(message, encode(await this.#resource(user, message.data)));
      default:
        throw badRequest(`the bus has no verb ${JSON.stringify(verb)}`);
    }
  }

  /** Plans that were decided apart: none waits for another or fails with it. */
  async #planEach(user: UserInfo, message: BusMessage): Promise<PlansResponse> {
    const { plans } = parseMessage(plansMessage, message.data);
    const work = plans.map(
      (plan) =>
        new Promise<PlanResponse | StatusBody>((resolve) => {
          this.#context.turns.push(() => resolve(this.#plan(user, plan)));
        }),
    );
    return { responses: await Promise.all(work) };
  }

  async #plan(user: UserInfo, asked: PlanRequest): Promise<PlanResponse | StatusBody> {
    return planAnswer(await this.#commit(user, asked));
  }

  #commit(user: UserInfo, { decidedAt: _, ...plan }: PlanRequest): Promise<PlanResponse> {
    const id = `${user.username} ${plan.trace}`;
    const earlier = this.#plans.get(id);
    if (earlier !== undefined) return earlier;
    const work = this.#engine.plan({ ...plan, user });
    if (plan.trace === "") return work;
    this.#plans.set(id, work);
    void work.finally(() => this.#plans.delete(id));
    return work;
  }

  async #get(user: UserInfo, data: Uint8Array): Promise<Uint8Array> {
    const { key } = parseMessage(getMessage, data);
    const { resource, namespace, name } = keyParts(key);
    const request = { verb: "get", table: tableOf(resource), namespace, name } as const;
    return bodyOf(await this.#handle(user, request));
  }

  #watch(identity: string, user: UserInfo, message: BusMessage): Promise<void> {
    const { reply } = message;
    if (reply === undefined) throw badRequest("a watch needs a reply subject for its frames");
    const request = parseMessage(watchMessage, message.data);
    return this.#watches.start(identity, user, request, (frame) => this.#bus.publish(reply, frame));
  }

  async #token(user: UserInfo, data: Uint8Array): Promise<Uint8Array> {
    const { namespace, name, request } = parseMessage(tokenMessage, data);
    const table = tableOf("serviceaccounts");
    const subresource = subresourceOf(table, "token");
    const body = encode(request);
    const asked = { verb: "create", table, subresource, namespace, name, body } as const;
    return bodyOf(await this.#handle(user, asked));
  }

  async #resource(user: UserInfo, data: Uint8Array): Promise<ResourceReply> {
    const message = parseMessage(resourceMessage, data);
    const table = tableOf(message.resource);
    const response = await this.#handle(user, {
      verb: message.verb,
      table,
      ...(message.subresource ? { subresource: subresourceOf(table, message.subresource) } : {}),
      namespace: message.namespace ?? "",
      name: message.name ?? "",
      query: new URLSearchParams(message.query),
      body: message.body === undefined ? Buffer.alloc(0) : encode(message.body),
      ...(message.contentType ? { contentType: message.contentType } : {}),
      ...(message.trace ? { trace: message.trace } : {}),
    });
    const { code, warnings } = response;
    const body: unknown = JSON.parse(bodyOf(response).toString());
    return warnings ? { code, warnings, body } : { code, body };
  }

  /** A request as it would come over HTTPS, by an actor. */
  async #handle(
    user: UserInfo,
    asked: Pick<ResourceRequest, "verb" | "table" | "namespace" | "name"> &
      Partial<ResourceRequest>,
  ): Promise<BodyResponse> {
    const response = await this.#engine.handle({
      user,
      query: new URLSearchParams(),
      body: Buffer.alloc(0),
      contentType: "application/json",
      accept: "application/json",
      userAgent: user.username.replaceAll("/", "-"),
      trace: this.#context.runtime.ids.ulid(),
      actor: user.username,
      replica: this.#replica,
      cause: 0,
      ...asked,
    });
    if (response.type === "watch") throw badRequest("use the verb watch");
    return response;
  }
}

/** That the log is out of reach says nothing about the plan: it may be sent again. */
function planAnswer(response: PlanResponse): PlanResponse | StatusBody {
  const refused = response.outcome === "refused" ? response.status : undefined;
  return refused && refused.code >= 500 ? refused : response;
}

function subjectOf({ subject }: BusMessage): { identity: string; verb: string } {
  const [, identity = "", verb = ""] = subject.split(".");
  return { identity: unescapeToken(identity), verb };
}

function tableOf(resource: string): KindTable {
  const table = kindByResource(resource);
  if (table === undefined) throw badRequest(`there is no resource ${JSON.stringify(resource)}`);
  return table;
}

function subresourceOf(table: KindTable, name: string): SubresourceTable {
  const found = table.subresources.find((subresource) => subresource.name === name);
  if (found === undefined) {
    throw badRequest(`${table.plural} have no subresource ${JSON.stringify(name)}`);
  }
  return found;
}

function keyParts(key: string) {
  try {
    return parseKey(key);
  } catch (error) {
    throw badRequest((error as Error).message);
  }
}

function bodyOf(response: BodyResponse): Buffer {
  return Buffer.concat(response.body);
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** An answer that no message can hold is said to be too large. */
function respond(message: BusMessage, data: Uint8Array): void {
  const fits = data.length <= VALUE_BYTES_MAX;
  message.respond(fits ? data : encode(requestTooLarge(VALUE_BYTES_MAX).body));
}

function quietly<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
