import type { PlanRequest, PlanResponse } from "../../shared/actor/api.ts";
import type { Bus, BusMessage } from "../../shared/actor/bus.ts";
import type { Controller } from "../../shared/actor/controller.ts";
import { beatSubject } from "../../shared/actor/membership.ts";
import type { Action, Plan } from "../../shared/actor/plan.ts";
import type { Store, Write, WriteHeaders } from "../../shared/store/store.ts";
import type { Mistake } from "./simulate.ts";

/** Mistakes to plant, each as somebody might make it. Every call gives one without memory. */

function change(name: string, mistaken: (real: Controller) => Controller): Mistake {
  return {
    controllers: (all) => all.map((each) => (each.name === name ? mistaken(each) : each)),
  };
}

function changePlans(name: string, mistaken: (plan: Plan) => Plan): Mistake {
  return change(name, (real) => ({
    ...real,
    reconcile: (key, at) => mistaken(real.reconcile(key, at)),
  }));
}

function isClaim(action: Action): boolean {
  return action.op === "update" && action.claim === true;
}

/**
 * New names for pods at every attempt, as with generateName, and no claim: a plan that is decided
 * again, here or by another replica, makes other pods.
 */
export function randomPodNames(): Mistake {
  let pods = 0;
  return changePlans("replicaset", (plan) => {
    if (!plan.actions.some(({ op }) => op === "create")) return plan;
    const creations = plan.actions.filter((action) => !isClaim(action));
    return { ...plan, actions: creations.map((action) => renamed(action, `x${pods++}`)) };
  });
}

function renamed(action: Action, suffix: string): Action {
  if (action.op !== "create") return action;
  const { metadata } = action.object;
  const name = `${metadata.generateName}${suffix}`;
  const key = `pods/${metadata.namespace}/${name}`;
  return { ...action, key, object: { ...action.object, metadata: { ...metadata, name } } };
}

/** Plans are written one action after the other, the owner's claim before what it claims. */
export function claimFirst(): Mistake {
  return {
    wrapDependencies: (dependencies) => ({
      ...dependencies,
      bus: interceptRequests(dependencies.bus, "api.system:controller:replicaset.plan", splitPlan),
    }),
  };
}

type Ask = (data: Uint8Array) => Promise<BusMessage>;

async function splitPlan(data: Uint8Array, ask: Ask): Promise<BusMessage> {
  const request = JSON.parse(Buffer.from(data).toString()) as PlanRequest;
  const claims = request.actions.filter(isClaim);
  const others = request.actions.filter((action) => !isClaim(action));
  let answer: BusMessage | undefined;
  for (const [index, action] of [...claims, ...others].entries()) {
    const single = { ...request, trace: `${request.trace}-${index}`, actions: [action] };
    answer = await ask(Buffer.from(JSON.stringify(single)));
    const response = JSON.parse(Buffer.from(answer.data).toString()) as PlanResponse;
    if (response.outcome !== "committed") break;
  }
  return answer ?? (await ask(data));
}

function interceptRequests(
  bus: Bus,
  subject: string,
  instead: (data: Uint8Array, ask: Ask) => Promise<BusMessage>,
): Bus {
  return new Proxy(bus, {
    get: (target, property) => {
      if (property === "request") {
        return (asked: string, data: Uint8Array, timeoutMs: number) =>
          asked === subject
            ? instead(data, (each) => target.request(asked, each, timeoutMs))
            : target.request(asked, data, timeoutMs);
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The claim does not say which revision was decided on, nor do deletions. */
export function missingExpectation(): Mistake {
  return changePlans("replicaset", (plan) => ({
    ...plan,
    actions: plan.actions.map((action): Action => {
      if (action.op === "update" && isClaim(action)) {
        const { status } = action.object;
        return { op: "patch", key: action.key, subresource: "status", patch: { status } };
      }
      if (action.op !== "delete") return action;
      const { expect: _, ...unguarded } = action;
      return unguarded;
    }),
  }));
}

/** What happens to a pod after its creation wakes nobody, unless its specification changes. */
export function lostWakeUp(): Mistake {
  return change("replicaset", (real) => ({
    ...real,
    wakes: {
      pods: (object, old, at) => {
        const quiet = old !== undefined && object !== undefined;
        return quiet ? [] : (real.wakes?.["pods"]?.(object, old, at) ?? []);
      },
    },
  }));
}

/** The apiserver does not guard the writes that `forgotten` names. */
function unguarded(forgotten: (write: Write, headers: WriteHeaders) => boolean): Mistake {
  return {
    wrapStore: (store) =>
      wrapped(store, {
        commit: (writes, headers) => {
          const sent = writes.map((write): Write => {
            if (!write.expect || !forgotten(write, headers)) return write;
            return { key: write.key, value: write.value };
          });
          return store.commit(sent, headers);
        },
      }),
  };
}

function wrapped(store: Store, instead: Partial<Store>): Store {
  return {
    commit: (writes, headers) => store.commit(writes, headers),
    head: () => store.head(),
    revisionBefore: (time) => store.revisionBefore(time),
    get: (key, at) => store.get(key, at),
    list: (prefix, at) => store.list(prefix, at),
    watch: (prefix, from, handler) => store.watch(prefix, from, handler),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
    ...instead,
  };
}

/**
 * Neither the pod nor the fence of bindings is guarded, and the schedulers do not hear one another:
 * each places every pod as it sees fit. Deaf alone they do no harm; see `deafSchedulers`.
 */
export function doubleBind(): Mistake {
  return { ...unguarded((_write, { actor }) => actor === "scheduler"), ...deafSchedulers() };
}

/**
 * No mistake: ownership is a hint. The schedulers work against one another, and the log decides.
 */
export function deafSchedulers(): Mistake {
  return {
    wrapDependencies: (dependencies) => ({
      ...dependencies,
      bus: deafTo(dependencies.bus, beatSubject("scheduler")),
    }),
  };
}

function deafTo(bus: Bus, subject: string): Bus {
  return new Proxy(bus, {
    get(target, field) {
      if (field === "subscribe") {
        const subscribe: Bus["subscribe"] = (pattern, handler, options) =>
          target.subscribe(pattern, pattern === subject ? () => undefined : handler, options);
        return subscribe;
      }
      const value: unknown = Reflect.get(target, field);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The last writer of a Deployment wins, whatever it had seen. */
export function lostUpdate(): Mistake {
  return unguarded(({ key }) => key.startsWith("deployments.apps/"));
}

/** A follower of the log drops a version now and then. */
export function skippedVersion(): Mistake {
  let versions = 0;
  return {
    wrapStore: (store) =>
      wrapped(store, {
        watch: (prefix, from, handler) =>
          store.watch(prefix, from, {
            ...handler,
            version: (version) => {
              const dropped = version.key.startsWith("pods/") && ++versions % 50 === 0;
              if (!dropped || version.more) handler.version(version);
            },
          }),
      }),
  };
}
