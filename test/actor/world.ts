import type { PlanRequest, PlanResponse, StatusBody } from "../../shared/actor/api.ts";
import type { ApiClient } from "../../shared/actor/client.ts";
import { type ActorDependencies, silentLogger } from "../../shared/actor/dependencies.ts";
import type { Action } from "../../shared/actor/plan.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { NO_FAULTS } from "../../shared/faults/language.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { SeededRuntime, type SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";
import { ConflictError, type Key, type Write } from "../../shared/store/store.ts";
import { SimulatedLog } from "../sim/log.ts";
import { SimulatedNetwork } from "../sim/network.ts";

const HEADERS = { actor: "test", replica: "test", trace: "", cause: 0 };

/** A log, a bus and processes on virtual time, for tests of what surrounds decisions. */
export class World {
  readonly simulator: SeededRuntime;
  readonly network: SimulatedNetwork;
  readonly store: MemoryStore;
  readonly log: SimulatedLog;
  readonly decisions: DecisionRecord[] = [];
  /** What the apiserver was asked to commit, in order. */
  readonly requests: PlanRequest[] = [];
  /** Every request for events. */
  readonly events: unknown[] = [];

  constructor(seed = 1) {
    this.simulator = new SeededRuntime({ seed });
    this.network = new SimulatedNetwork(this.simulator, NO_FAULTS);
    this.store = new MemoryStore(this.simulator);
    this.log = new SimulatedLog("cluster", this.store, this.network);
  }

  dependencies(replica: string): ActorDependencies & { runtime: SimulatedProcess } {
    const runtime = this.simulator.process(replica);
    return { runtime, bus: this.network.connect(runtime), logger: silentLogger, replica };
  }

  /** A projection in the process, which sees the log 1 ms late or as late as the faults say. */
  async projection(runtime: SimulatedProcess): Promise<Projection> {
    const projection = new Projection({ runtime });
    await this.simulator.complete(projection.follow(this.log.open(runtime)));
    return projection;
  }

  /** Writes an object as a user would. */
  async put(resource: string, name: string, fields: object = {}): Promise<number> {
    const key = `${resource}/default/${name}`;
    const metadata = { name, namespace: "default", uid: `uid-${name}` };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, ...fields };
    const [revision] = await this.store.commit([{ key, value: encodeObject(object) }], HEADERS);
    return revision as number;
  }

  async remove(resource: string, name: string): Promise<void> {
    await this.store.commit([{ key: `${resource}/default/${name}`, value: null }], HEADERS);
  }

  async value(key: Key): Promise<KubernetesObject | undefined> {
    const version = await this.store.get(key);
    return version?.value ? JSON.parse(version.value.toString()) : undefined;
  }

  /**
   * A client whose requests take `ms` and then act on the log directly: a plan is committed whole
   * under its expectations, without admission.
   */
  client(runtime: SimulatedProcess, ms = 1): ApiClient {
    const plan = async (request: PlanRequest): Promise<PlanResponse> => {
      this.requests.push(request);
      await runtime.timers.sleep(ms);
      const response = await this.#commit(request);
      await runtime.timers.sleep(ms);
      return response;
    };
    return {
      identity: "system:test",
      plan,
      plans: (requests) => Promise.all(requests.map(plan)),
      get: async <T>(key: Key) => (await this.value(key)) as T | undefined,
      watch: () => ({ stop: () => undefined }),
      request: async (_verb, payload) => {
        this.events.push(payload);
        return {};
      },
    };
  }

  async #commit(request: PlanRequest): Promise<PlanResponse> {
    try {
      const headers = { ...HEADERS, trace: request.trace, actor: request.actor };
      const writes = await Promise.all(request.actions.map((action) => this.#write(action)));
      const revisions = await this.store.commit(writes, headers);
      const results = revisions.map((revision) => ({ revision }));
      return { outcome: "committed", revision: revisions.at(-1) as number, results };
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const revision = await this.store.head();
      return { outcome: "refused", status: conflictStatus(error.message), revision };
    }
  }

  async #write(action: Action): Promise<Write> {
    const { key } = action;
    switch (action.op) {
      case "create":
        return { key, value: encodeObject(action.object), expect: 0 };
      case "update":
        return { key, value: encodeObject(action.object), expect: Number(action.expect) };
      case "delete":
        return { key, value: null, ...(action.expect ? { expect: Number(action.expect) } : {}) };
      default:
        throw new Error(`no ${action.op} in this test`);
    }
  }
}

function conflictStatus(message: string): StatusBody {
  const shared = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure" } as const;
  return { ...shared, message, reason: "Conflict", code: 409 };
}
