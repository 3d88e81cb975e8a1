import { describe, expect, it } from "vitest";
import type { ClusterSettings } from "../../services/cli/cluster.ts";
import { CONTROL_ACTORS, CONTROLLERS, layoutOf, withReplicas } from "../../services/cli/layout.ts";
import { userOf } from "../../services/cli/process/kinds.ts";
import { askedFor } from "../../services/cli/scale/commands.ts";
import { scaled } from "../../services/cli/scaling.ts";
import { controllers } from "../../services/controllers/index.ts";

const SETTINGS: ClusterSettings = {
  format: 1,
  name: "coxswain",
  apiPort: 6443,
  natsPort: 14222,
  durability: "strict",
  runtime: "simulated",
  slot: 0,
  nodes: [{ name: "node-0", index: 0 }],
  replicas: {},
  autoscale: {},
  grouping: "packed",
};

function layout(change: Partial<ClusterSettings>): Record<string, readonly string[]> {
  const planned = layoutOf({ ...SETTINGS, ...change });
  return Object.fromEntries(planned.map(({ name, actors }) => [name, actors]));
}

describe("the layout of a cluster", () => {
  it("names every controller there is", () => {
    expect(CONTROLLERS).toEqual(controllers({ rootCertificate: "" }).map(({ name }) => name));
  });

  it("is few processes when packed: number n runs what wants n replicas", () => {
    expect(layout({})).toEqual({ apiserver: [], control: CONTROL_ACTORS, nodes: [] });
    const replicas = { scheduler: 3, deployment: 2, apiserver: 2 };
    expect(layout({ replicas })).toEqual({
      apiserver: [],
      "apiserver-2": [],
      control: CONTROL_ACTORS,
      "control-2": ["scheduler", "deployment"],
      "control-3": ["scheduler"],
      nodes: [],
    });
    expect(layout({ replicas: { controllers: 2 } })["control-2"]).toEqual(CONTROLLERS);
  });

  it("has what watches the invariants when that is asked for, and never none of another", () => {
    expect(layout({ replicas: { verify: 2 } })).toMatchObject({ verify: [], "verify-2": [] });
    expect(withReplicas({ verify: 2 }, askedFor(["verify=0"]).replicas)).toEqual({ verify: 0 });
    for (const word of ["scheduler=0", "control=0", "apiserver=0"]) {
      expect(() => withReplicas({}, askedFor([word]).replicas)).toThrow("is nothing without");
    }
  });

  it("is one process for each replica of each actor when split", () => {
    const split = layout({ grouping: "split", replicas: { scheduler: 2 } });
    expect(Object.keys(split)).toHaveLength(2 + CONTROL_ACTORS.length + 1);
    expect(split["scheduler-2"]).toEqual(["scheduler"]);
    expect(split["node-lifecycle-1"]).toEqual(["node-lifecycle"]);
  });

  it("gives each process the bus user of what it is", () => {
    const nodes = ["lifecycle-1", "nodes", "node-1"].map((name, index) => ({ name, index }));
    const users = (change: Partial<ClusterSettings>) =>
      layoutOf({ ...SETTINGS, runtime: "cri", nodes, ...change }).map(({ name, kind }) => [
        name,
        userOf(kind, name),
      ]);
    expect(Object.fromEntries(users({}))).toEqual({
      apiserver: "apiserver",
      control: "controllers",
      "node-lifecycle-1": "node-lifecycle-1",
      "node-nodes": "node-nodes",
      "node-node-1": "node-node-1",
      host: "node-host",
    });
  });
});

describe("what is asked for", () => {
  it("holds for all actors of a group, and for one of them where it is named", () => {
    expect(withReplicas({ deployment: 3 }, { controllers: 2 })).toEqual({ controllers: 2 });
    expect(withReplicas({ controllers: 2, scheduler: 4 }, { control: 1 })).toEqual({ control: 1 });
    expect(withReplicas({ control: 2 }, { deployment: 1 })).toEqual({ control: 2, deployment: 1 });
    const both = withReplicas({}, { deployment: 3, controllers: 1 });
    expect(both).toEqual({ controllers: 1, deployment: 3 });
    expect(() => withReplicas({}, { dentist: 2 })).toThrow("no actor is called dentist");
  });

  it("is a number, or bounds that a later number ends", () => {
    expect(askedFor(["scheduler=3,deployment=1..4"])).toEqual({
      replicas: { scheduler: 3 },
      autoscale: { deployment: { min: 1, max: 4 } },
    });
    for (const word of ["scheduler", "scheduler=0..2", "scheduler=100", "scheduler=3..1", "=2"]) {
      expect(() => askedFor([word])).toThrow(`"${word}"`);
    }
    const order = { type: "scale", replicas: {}, autoscale: {}, grouping: undefined } as const;
    const bounded = scaled(SETTINGS, { ...order, autoscale: { scheduler: { min: 2, max: 4 } } });
    expect(bounded.replicas).toEqual({ scheduler: 2 });
    const many = { ...order, autoscale: { control: { min: 1, max: 2 } } };
    expect(() => scaled(SETTINGS, many)).toThrow("control is many actors");
    const fixed = scaled(bounded, { ...order, replicas: { control: 1 } });
    expect([fixed.autoscale, fixed.replicas]).toEqual([{}, { control: 1 }]);
    const again = scaled(bounded, { ...order, replicas: { deployment: 2 }, grouping: "split" });
    expect(again).toMatchObject({
      autoscale: { scheduler: { min: 2, max: 4 } },
      replicas: { scheduler: 2, deployment: 2 },
      grouping: "split",
    });
  });
});
