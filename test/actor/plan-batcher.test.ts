import { expect, it } from "vitest";
import type { PlanRequest } from "../../shared/actor/api.ts";
import { createClient } from "../../shared/actor/client.ts";
import { PlanBatcher } from "../../shared/actor/plan-batcher.ts";
import { World } from "./world.ts";

const PLAN = { actor: "test", replica: "test-1", cause: 0, decidedAt: 0, actions: [] };

function started() {
  const world = new World();
  const { bus } = world.dependencies("apiserver");
  const requests: (() => void)[] = [];
  const sizes: number[] = [];
  bus.subscribe("api.*.plans", (message) => {
    const { plans } = JSON.parse(Buffer.from(message.data).toString());
    sizes.push(plans.length);
    const responses = plans.map(({ trace }: PlanRequest) =>
      trace === "busy"
        ? { kind: "Status", code: 503 }
        : { outcome: "committed", revision: Number(trace), results: [] },
    );
    requests.push(() => message.respond(Buffer.from(JSON.stringify({ responses }))));
  });
  const dependencies = world.dependencies("actor");
  const client = createClient({ ...dependencies, identity: "system:test" });
  return { world, requests, sizes, plans: new PlanBatcher(client, dependencies) };
}

it("sends what is offered together, few requests at a time, decided in its turn", async () => {
  const { world, requests, sizes, plans } = started();
  let made = 0;
  const answers: (number | undefined)[] = [];
  for (let index = 0; index < 200; index++) {
    plans.offer({
      make: () => {
        made++;
        return { ...PLAN, trace: String(index) };
      },
      answered: (response) => answers.push(response?.revision),
    });
  }
  await world.simulator.advance(100);
  expect(sizes).toEqual([32, 32, 32, 32]);
  expect(made).toBe(128);
  requests.shift()?.();
  await world.simulator.advance(100);
  expect(sizes).toEqual([32, 32, 32, 32, 32]);
  for (let answered = 0; answered < 6; answered++) {
    requests.shift()?.();
    await world.simulator.advance(100);
  }
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => index));
});

it("leaves out what is not wanted any more; says what could not be taken", async () => {
  const { world, requests, sizes, plans } = started();
  const answers: string[] = [];
  const answered = (name: string) => (response: unknown) =>
    void answers.push(`${name} ${response === undefined ? "unknown" : "known"}`);
  plans.offer({ make: () => undefined, answered: answered("none") });
  plans.offer({ make: () => ({ ...PLAN, trace: "busy" }), answered: answered("busy") });
  plans.offer({ make: () => ({ ...PLAN, trace: "1" }), answered: answered("one") });
  await world.simulator.advance(100);
  requests.shift()?.();
  await world.simulator.advance(100);
  expect(sizes).toEqual([2]);
  expect(answers).toEqual(["busy unknown", "one known"]);
});
