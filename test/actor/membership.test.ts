import { describe, expect, it } from "vitest";
import {
  joinGroup,
  joinMembership,
  type Membership,
  SILENCE_MS_MAX,
} from "../../shared/actor/membership.ts";
import type { SimulatedProcess } from "../../shared/runtime/seeded.ts";
import { World } from "./world.ts";

const KEYS = Array.from({ length: 300 }, (_, index) => `pods/default/web-${index}`);

interface Replica {
  readonly process: SimulatedProcess;
  readonly membership: Membership;
}

function join(world: World, replica: string): Replica {
  const dependencies = world.dependencies(replica);
  return { process: dependencies.runtime, membership: joinMembership(dependencies, "actor") };
}

async function three(world: World): Promise<[Replica, Replica, Replica]> {
  const replicas: [Replica, Replica, Replica] = [
    join(world, "a"),
    join(world, "b"),
    join(world, "c"),
  ];
  await world.simulator.advance(100);
  return replicas;
}

function owners(replicas: readonly Replica[], key: string): string[] {
  const owning = replicas.filter(({ membership }) => membership.owns(key));
  return owning.map(({ process }) => process.name);
}

describe("membership", () => {
  it("gives every key to exactly one replica, and each replica its share", async () => {
    const replicas = await three(new World());
    for (const key of KEYS) expect(owners(replicas, key)).toHaveLength(1);
    for (const { membership } of replicas) {
      const share = KEYS.filter((key) => membership.owns(key)).length;
      expect(share).toBeGreaterThan(KEYS.length / 5);
    }
  });

  it("owns nothing before it has listened to the others", async () => {
    const world = new World();
    const { membership } = join(world, "a");
    expect(KEYS.some((key) => membership.owns(key))).toBe(false);
    await world.simulator.advance(100);
    expect(KEYS.every((key) => membership.owns(key))).toBe(true);
  });

  it("moves only the keys of the replica that went", async () => {
    const world = new World();
    const replicas = await three(world);
    const before = new Map(KEYS.map((key) => [key, owners(replicas, key)[0]]));
    replicas[1].process.crash();
    await world.simulator.advance(SILENCE_MS_MAX + 200);
    const left = [replicas[0], replicas[2]];
    for (const key of KEYS) {
      const [owner] = owners(left, key);
      expect(owner).toBeDefined();
      if (before.get(key) !== "b") expect(owner).toBe(before.get(key));
    }
  });

  it("takes over at once from a replica that leaves in order", async () => {
    const world = new World();
    const [first, second, third] = await three(world);
    second.membership.leave();
    await world.simulator.advance(5);
    expect(first.membership.members()).toEqual(["a", "c"]);
    expect(KEYS.every((key) => owners([first, third], key).length === 1)).toBe(true);
  });

  it("takes a process's next life for the end of the former", async () => {
    const world = new World();
    const join = (replica: string, process: string): Replica => {
      const dependencies = { ...world.dependencies(replica), process };
      const membership = joinMembership(dependencies, "actor");
      return { process: dependencies.runtime, membership };
    };
    const [first, second] = [join("first-1", "first"), join("second-1", "second")];
    await world.simulator.advance(100);
    second.process.crash();
    await world.simulator.advance(20);
    const successor = join("second-2", "second");
    await world.simulator.advance(5);
    expect(first.membership.members()).toEqual(["first-1", "second-2"]);
    await world.simulator.advance(60);
    for (const key of KEYS) expect(owners([first, successor], key)).toHaveLength(1);
  });

  it("does not listen to what a life that has ended still had on the way", async () => {
    const world = new World();
    const dependencies = { ...world.dependencies("b-2"), process: "b" };
    const first = join(world, "a");
    joinMembership(dependencies, "actor");
    await world.simulator.advance(100);
    const late = { replica: "b-1", actors: ["actor"], life: { process: "b", since: 0 } };
    dependencies.bus.publish("actors.actor.beat", Buffer.from(JSON.stringify(late)));
    await world.simulator.advance(100);
    expect(first.membership.members()).toEqual(["a", "b-2"]);
  });

  it("tells what was owned before each change, so that the gained keys are known", async () => {
    const world = new World();
    const { membership } = join(world, "a");
    const gained: number[] = [];
    membership.onChange((owned) => {
      gained.push(KEYS.filter((key) => membership.owns(key) && !owned(key)).length);
    });
    await world.simulator.advance(100);
    const other = join(world, "b");
    await world.simulator.advance(100);
    const lost = KEYS.filter((key) => !membership.owns(key)).length;
    other.process.crash();
    await world.simulator.advance(1_000);
    expect(gained).toEqual([KEYS.length, 0, lost]);
  });

  it("does not blame the others for its own disconnection", async () => {
    const world = new World();
    const [first, , third] = await three(world);
    world.network.cut(first.process, { send: true, receive: true });
    await world.simulator.advance(2_000);
    expect(first.membership.members()).toEqual(["a", "b", "c"]);
    expect(third.membership.members()).toEqual(["b", "c"]);
    world.network.cut(first.process, undefined);
    await world.simulator.advance(200);
    expect(third.membership.members()).toEqual(["a", "b", "c"]);
  });

  it("may be for several actors with one beat, in processes that run different ones", async () => {
    const world = new World();
    const join = (name: string, actors: string[]) => {
      const group = joinGroup(world.dependencies(name), "controllers");
      const memberships = new Map(actors.map((actor) => [actor, group.join(actor)]));
      return (actor: string) => memberships.get(actor) as Membership;
    };
    const first = join("a", ["replicaset", "deployment"]);
    const second = join("b", ["replicaset"]);
    await world.simulator.advance(100);
    expect(first("replicaset").members()).toEqual(["a", "b"]);
    expect(first("deployment").members()).toEqual(["a"]);
    expect(KEYS.every((key) => first("deployment").owns(key))).toBe(true);
    expect(KEYS.some((key) => second("replicaset").owns(key))).toBe(true);
    first("replicaset").leave();
    await world.simulator.advance(5);
    expect(second("replicaset").members()).toEqual(["b"]);
    expect(KEYS.every((key) => first("deployment").owns(key))).toBe(true);
  });

  it("may be joined and left at any time, and again", async () => {
    const world = new World();
    const groupOf = (name: string) => joinGroup(world.dependencies(name), "controllers");
    const [first, second] = [groupOf("a"), groupOf("b")];
    const deployment = first.join("deployment");
    expect(() => first.join("deployment")).toThrow("deployment has joined already");
    await world.simulator.advance(100);
    for (let turn = 0; turn < 2; turn++) {
      const late = second.join("deployment");
      const other = second.join("replicaset");
      await world.simulator.advance(100);
      expect(deployment.members()).toEqual(["a", "b"]);
      const owners = KEYS.map((key) => Number(deployment.owns(key)) + Number(late.owns(key)));
      expect(new Set(owners)).toEqual(new Set([1]));
      expect(KEYS.every((key) => other.owns(key))).toBe(true);
      late.leave();
      if (turn === 0) other.leave();
      await world.simulator.advance(5);
      expect(deployment.members()).toEqual(["a"]);
      expect(KEYS.some((key) => late.owns(key))).toBe(false);
      expect(KEYS.every((key) => deployment.owns(key))).toBe(true);
    }
  });

  it("is not disturbed by messages that are no beats", async () => {
    const world = new World();
    const [first] = await three(world);
    const { bus } = world.dependencies("stranger");
    for (const text of ["", "{", "null", '{"replica":1}']) {
      bus.publish("actors.actor.beat", Buffer.from(text));
    }
    await world.simulator.advance(100);
    expect(first.membership.members()).toEqual(["a", "b", "c"]);
  });
});
