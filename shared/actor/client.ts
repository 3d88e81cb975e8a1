import { z } from "zod";
import { identityToken } from "../../nats/subjects.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Key } from "../store/store.ts";
import type {
  GetRequest,
  PlanRequest,
  PlanResponse,
  PlansRequest,
  StatusBody,
  WatchRequest,
} from "./api.ts";
import { Arrivals } from "./arrivals.ts";
import { backoffMs } from "./backoff.ts";
import { BusError, type BusMessage, NoResponderError, RequestTimeoutError } from "./bus.ts";
import type { ActorDependencies } from "./dependencies.ts";
import { type ApiWatchHandler, startWatch } from "./watch.ts";

/** How actors speak to the apiserver: requests over the bus under the actor's own identity. */
export interface ApiClient {
  /** The Kubernetes user name, e.g. `system:controller:replicaset`. */
  readonly identity: string;
  /**
   * Commits a plan whole, or says why not. Repeated while no apiserver answers; safe, because a
   * plan that was taken already is refused the second time by its own expectations.
   * @throws ApiError when the apiserver refuses the request itself (not the plan),
   *   ApiUnavailableError when nobody answered in time: look before trying again.
   */
  plan(request: PlanRequest): Promise<PlanResponse>;
  /**
   * Commits plans that have nothing to do with one another, each on its own, in one request. At
   * most `PLANS_PER_REQUEST_MAX`. undefined for a plan that could not be taken now.
   * @throws as `plan`, of the request as a whole
   */
  plans(requests: readonly PlanRequest[]): Promise<readonly (PlanResponse | undefined)[]>;
  /** The object as the apiserver has it now; undefined when there is none. */
  get<T = KubernetesObject>(key: Key): Promise<T | undefined>;
  /** Follows a resource; see watch.ts for what is promised. */
  watch(request: Omit<WatchRequest, "consumer" | "from">, handler: ApiWatchHandler): WatchHandle;
  /**
   * Any verb: JSON there, JSON back.
   * @throws ApiError when the answer is a failure Status, ApiUnavailableError as above.
   */
  request(verb: string, payload: unknown): Promise<unknown>;
}

export interface WatchHandle {
  stop(): void;
}

/** The apiserver answered with a failure. */
export class ApiError extends Error {
  readonly status: StatusBody;
  constructor(status: StatusBody) {
    super(status.message ?? status.reason ?? `code ${status.code}`);
    this.name = "ApiError";
    this.status = status;
  }
}

/** No apiserver answered in time; whether one took the request is unknown. */
export class ApiUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiUnavailableError";
  }
}

export interface ClientOptions extends Pick<ActorDependencies, "runtime" | "bus" | "logger"> {
  readonly identity: string;
  /** For one answer, milliseconds. */
  readonly attemptMs?: number;
  /** For the whole request with its repetitions, milliseconds. */
  readonly deadlineMs?: number;
}

const ATTEMPT_MS = 5_000;
const DEADLINE_MS = 30_000;
const RETRY = { baseMs: 20, maxMs: 1_000 };

/** Connects an identity to whichever apiserver replicas are there. */
export function createClient(options: ClientOptions): ApiClient {
  const { identity, bus, runtime, logger } = options;
  const arrivals = new Arrivals(bus);
  const subject = (verb: string): string => apiSubject(identity, verb);
  const request = (verb: string, payload: unknown): Promise<unknown> =>
    ask({ ...options, arrivals }, subject(verb), Buffer.from(JSON.stringify(payload)));
  return {
    identity,
    request,
    plan: async (plan) => planResponse.parse(await request("plan", plan)) as PlanResponse,
    plans: async (plans) => {
      const question: PlansRequest = { plans };
      const { responses } = plansResponse.parse(await request("plans", question));
      return plans.map((_, index) => {
        const response = responses[index];
        return response !== undefined && "outcome" in response
          ? (response as PlanResponse)
          : undefined;
      });
    },
    get: async <T>(key: Key) => {
      const question: GetRequest = { key };
      try {
        return (await request("get", question)) as T;
      } catch (error) {
        if (error instanceof ApiError && error.status.code === 404) return undefined;
        throw error;
      }
    },
    watch: (watch, handler) =>
      startWatch({ bus, runtime, logger, arrivals, subject, watch, handler }),
  };
}

/** `api.<identity, escaped to one token>.<verb>` */
export function apiSubject(identity: string, verb: string): string {
  return `api.${identityToken(identity)}.${verb}`;
}

type AskOptions = ClientOptions & { readonly arrivals: Arrivals };

async function ask(options: AskOptions, subject: string, data: Uint8Array): Promise<unknown> {
  const { runtime } = options;
  const random = runtime.random.stream("api-client/backoff");
  const deadline = runtime.clock.monotonic() + (options.deadlineMs ?? DEADLINE_MS);
  for (let attempt = 1; ; attempt++) {
    const left = deadline - runtime.clock.monotonic();
    try {
      const attemptMs = Math.min(left, options.attemptMs ?? ATTEMPT_MS);
      const answer = await askOnce(options, subject, data, attemptMs);
      if (answer !== undefined) return parseAnswer(answer.data);
    } catch (error) {
      if (!isTransient(error)) throw error;
      const wait = Math.max(backoffMs(attempt, RETRY, random), retryAfterMs(error));
      if (runtime.clock.monotonic() + wait >= deadline) {
        throw new ApiUnavailableError(`no answer on ${subject}: ${messageOf(error)}`, {
          cause: error,
        });
      }
      await sleepUntilArrival(options, wait);
    }
  }
}

/**
 * One attempt. undefined: an apiserver has arrived meanwhile, so the one that was asked may be
 * gone; if it is not, the repetition does no harm, as after a timeout.
 */
function askOnce(
  { bus, arrivals }: AskOptions,
  subject: string,
  data: Uint8Array,
  timeoutMs: number,
): Promise<BusMessage | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = arrivals.once(() => resolve(undefined));
    bus.request(subject, data, timeoutMs).then(resolve, reject).finally(cancel);
  });
}

function sleepUntilArrival({ runtime, arrivals }: AskOptions, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const cancelWait = arrivals.once(() => {
      cancelTimer();
      resolve();
    });
    const cancelTimer = runtime.timers.after(ms, () => {
      cancelWait();
      resolve();
    });
  });
}

/** What may pass by itself: nobody there, no answer, or a server that is starting or full. */
function isTransient(error: unknown): boolean {
  if (error instanceof NoResponderError || error instanceof RequestTimeoutError) return true;
  if (error instanceof ApiError) return error.status.code === 503 || error.status.code === 429;
  return error instanceof BusError;
}

function retryAfterMs(error: unknown): number {
  const seconds = error instanceof ApiError ? error.status.details?.retryAfterSeconds : undefined;
  return (seconds ?? 0) * 1000;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function parseAnswer(data: Uint8Array): unknown {
  const answer: unknown = JSON.parse(Buffer.from(data).toString());
  const status = failureStatus.safeParse(answer);
  if (status.success) throw new ApiError(answer as StatusBody);
  return answer;
}

const failureStatus = z.looseObject({
  kind: z.literal("Status"),
  status: z.literal("Failure"),
  code: z.int(),
});

const statusBody = z.looseObject({ kind: z.literal("Status"), code: z.int() });

const planResponse = z.discriminatedUnion("outcome", [
  z.looseObject({
    outcome: z.literal("committed"),
    revision: z.int(),
    results: z.array(
      z.looseObject({ revision: z.int().optional(), dropped: statusBody.optional() }),
    ),
  }),
  z.looseObject({ outcome: z.literal("refused"), status: statusBody, revision: z.int() }),
]);

const plansResponse = z.looseObject({ responses: z.array(z.union([planResponse, statusBody])) });
