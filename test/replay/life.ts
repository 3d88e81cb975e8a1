import type { World } from "../history/world.ts";

/** Rollouts, a scale, pods that fit nowhere, a node that dies. */
export async function lifeOf(world: World, disturb: () => void = () => undefined): Promise<void> {
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
  await world.advance(100);
  disturb();
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

export function deployment(name: string, replicas: number) {
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
