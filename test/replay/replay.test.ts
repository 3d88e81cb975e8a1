import { beforeAll, describe, expect, it } from "vitest";
import { ACTORS, type Actors } from "../../services/replay/actors.ts";
import { replay, type Verdict } from "../../services/replay/replay.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { World } from "../history/world.ts";

async function replayed(world: World, actors: Actors = ACTORS, actor?: string) {
  const verdicts: Verdict[] = [];
  const to = await world.history.logs.cluster.head();
  const result = await replay({
    history: world.history,
    runtime: new SeededRuntime(),
    from: 0,
    to,
    ...(actor && { actor }),
    actors,
    told: (verdict) => verdicts.push(verdict),
  });
  return { verdicts, ...result };
}

describe("replay of a cluster's history", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    await lifeOf(world);
  });

  it("is identical for every actor", async () => {
    const { verdicts, unrecorded } = await replayed(world);
    const others = verdicts.filter(({ type }) => type !== "identical");
    expect(others.slice(0, 3)).toEqual([]);
    const actors = new Set(verdicts.map(({ record }) => record.actor));

    expect([...actors].sort()).toEqual(expect.arrayContaining(["deployment", "scheduler"]));
    expect(unrecorded).toEqual(new Map());
  });
});

/** Rollouts, a scale, pods that fit nowhere, a node that dies. */
async function lifeOf(world: World): Promise<void> {
  const namespace = "default";
  for (const name of ["web", "shop", "mail"]) {
    await world.ask("alice", {
      verb: "create",
      resource: "deployments.apps",
      namespace,
      body: deployment(name, 4),
    });
  }
  await world.advance(20_000);
  for (const name of ["web", "shop"]) {
    const template = { spec: { containers: [{ name: "c", image: `${name}:2` }] } };
    await world.ask("bob", {
      verb: "patch",
      resource: "deployments.apps",
      namespace,
      name,
      contentType: "application/merge-patch+json",
      body: { spec: { replicas: name === "web" ? 30 : 3, template } },
    });
  }
  await world.advance(30_000);
  world.crash("node-2");
  await world.advance(400_000);
  await world.ask("carol", {
    verb: "delete",
    resource: "deployments.apps",
    namespace,
    name: "shop",
  });
  await world.advance(60_000);
}

function deployment(name: string, replicas: number) {
  const labels = { app: name };
  const containers = [{ name: "c", image: `${name}:1` }];
  return {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}
