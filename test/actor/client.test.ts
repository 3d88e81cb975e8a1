import { describe, expect, it } from "vitest";
import type { PlanRequest } from "../../shared/actor/api.ts";
import { announceArrival } from "../../shared/actor/arrivals.ts";
import type { BusMessage } from "../../shared/actor/bus.ts";
import { ApiError, ApiUnavailableError, createClient } from "../../shared/actor/client.ts";
import { World } from "./world.ts";

const IDENTITY = "system:node:node-1.example";
const PLAN: PlanRequest = {
  trace: "01",
  actor: "test",
  replica: "test-1",
  cause: 0,
  decidedAt: 0,
  actions: [],
};

function clientOf(world: World) {
  return createClient({ ...world.dependencies("actor"), identity: IDENTITY });
}

function serve(world: World, verb: string, answer: (message: BusMessage) => unknown) {
  const { bus, runtime } = world.dependencies("apiserver");
  bus.subscribe(`api.*.${verb}`, (message) => {
    const reply = answer(message);
    if (reply !== undefined) message.respond(Buffer.from(JSON.stringify(reply)));
  });
  return runtime;
}

function failure(code: number, reason: string) {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", code, reason };
}

describe("the client of the apiserver", () => {
  it("asks under its own identity, as one token of the subject", async () => {
    const world = new World();
    const subjects: string[] = [];
    serve(world, "plan", ({ subject }) => {
      subjects.push(subject);
      return { outcome: "committed", revision: 7, results: [] };
    });
    const response = await world.simulator.complete(clientOf(world).plan(PLAN));
    expect(response).toEqual({ outcome: "committed", revision: 7, results: [] });
    expect(subjects).toEqual(["api.system:node:node-1%2Eexample.plan"]);
  });

  it("waits for an apiserver to come, and asks with the same trace", async () => {
    const world = new World();
    const response = clientOf(world).plan(PLAN);
    await world.simulator.advance(3_000);
    serve(world, "plan", ({ data }) => {
      expect(JSON.parse(Buffer.from(data).toString())).toEqual(PLAN);
      return { outcome: "committed", revision: 7, results: [] };
    });
    expect((await world.simulator.complete(response)).outcome).toBe("committed");
  });

  it("asks an apiserver that arrives at once, whatever it was waiting for", async () => {
    const world = new World();
    // One that takes the request and dies: no answer comes.
    const { bus } = world.dependencies("apiserver");
    const dying = bus.subscribe("api.*.plan", () => dying.stop());
    const inFlight = clientOf(world).plan(PLAN);
    await world.simulator.advance(100);
    // Nobody is there: it waits longer and longer.
    const waiting = clientOf(world).plan(PLAN);
    await world.simulator.advance(3_000);
    const before = world.simulator.nowMs;
    serve(world, "plan", () => ({ outcome: "committed", revision: 7, results: [] }));
    announceArrival(world.dependencies("apiserver").bus, "apiserver-2");
    const answers = await world.simulator.complete(Promise.all([inFlight, waiting]));
    expect(answers.map(({ outcome }) => outcome)).toEqual(["committed", "committed"]);
    expect(world.simulator.nowMs - before).toBeLessThan(20);
  });

  it("asks again when an answer does not come", async () => {
    const world = new World();
    let asked = 0;
    serve(world, "plan", () => {
      asked++;
      return asked < 3 ? undefined : { outcome: "committed", revision: 7, results: [] };
    });
    await world.simulator.complete(clientOf(world).plan(PLAN));
    expect(asked).toBe(3);
  });

  it("gives up at its deadline and says that the outcome is not known", async () => {
    const world = new World();
    const response = clientOf(world).plan(PLAN);
    const refused = expect(response).rejects.toThrow(ApiUnavailableError);
    await world.simulator.advance(31_000);
    await refused;
  });

  it("passes on a refusal of the request, and does not repeat it", async () => {
    const world = new World();
    let asked = 0;
    serve(world, "plan", () => {
      asked++;
      return failure(403, "Forbidden");
    });
    await expect(world.simulator.complete(clientOf(world).plan(PLAN))).rejects.toThrow(ApiError);
    expect(asked).toBe(1);
  });

  it("comes back later to a server that has too much to do", async () => {
    const world = new World();
    const times: number[] = [];
    serve(world, "plan", () => {
      times.push(world.simulator.nowMs);
      const busy = { ...failure(429, "TooManyRequests"), details: { retryAfterSeconds: 2 } };
      return times.length === 1 ? busy : { outcome: "committed", revision: 7, results: [] };
    });
    await world.simulator.complete(clientOf(world).plan(PLAN));
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(2_000);
  });

  it("answers undefined for an object that does not exist", async () => {
    const world = new World();
    serve(world, "get", ({ data }) => {
      const { key } = JSON.parse(Buffer.from(data).toString());
      return key.endsWith("a")
        ? { kind: "Pod", metadata: { name: "a" } }
        : failure(404, "NotFound");
    });
    const client = clientOf(world);
    expect(await world.simulator.complete(client.get("pods/default/b"))).toBeUndefined();
    expect(await world.simulator.complete(client.get("pods/default/a"))).toMatchObject({
      kind: "Pod",
    });
  });

  it("does not take an answer of the wrong shape for a commit", async () => {
    const world = new World();
    serve(world, "plan", () => ({ outcome: "committed" }));
    await expect(world.simulator.complete(clientOf(world).plan(PLAN))).rejects.toThrow("revision");
  });
});
