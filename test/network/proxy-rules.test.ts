import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type NodeFacts, rulesOf } from "../../services/proxy/rules.ts";
import { adoptScript, changeScript, namesOf, replaceScript } from "../../services/proxy/ruleset.ts";
import { snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

interface Case {
  name: string;
  facts?: { node?: string | null };
  objects: KubernetesObject[];
  sets?: Record<string, Record<string, string>>;
  declarations?: Record<string, string>;
  chains?: Record<string, string[]>;
}

const FACTS: NodeFacts = {
  node: "node-1",
  table: "coxswain-0",
  serviceCidrs: ["10.96.0.0/16"],
  clusterCidrs: ["10.244.0.0/16", "172.30.0.0/24"],
  foreignCidrs: ["172.30.1.0/24"],
};

const cases = parse(readFileSync(new URL("proxy-rules.yaml", import.meta.url), "utf8"), {
  merge: true,
}) as Case[];

/** Names without the hash that keeps them apart. */
function plain(text: string): string {
  return text.replaceAll(
    /(cluster|local|external|endpoint|affinity-\d+|host)-[0-9a-f]{8}-/g,
    "$1-",
  );
}

function rulesFor(objects: readonly KubernetesObject[], facts: Case["facts"] = {}) {
  const node = facts.node === null ? undefined : (facts.node ?? FACTS.node);
  return rulesOf(snapshotOfObjects(objects, 0), { ...FACTS, node });
}

describe("rules of a node", () => {
  for (const one of cases) {
    it(one.name, () => {
      const rules = rulesFor(one.objects, one.facts);
      const sets = new Map([...rules.sets].map(([name, set]) => [plain(name), set]));
      const chains = new Map([...rules.chains].map(([name, chain]) => [plain(name), chain]));
      for (const [name, elements] of Object.entries(one.sets ?? {})) {
        const found = [...(sets.get(name)?.elements ?? [])].map(([key, to]) => [key, plain(to)]);
        expect(Object.fromEntries(found), name).toEqual(elements);
      }
      for (const [name, declaration] of Object.entries(one.declarations ?? {})) {
        expect(sets.get(name)?.declaration, name).toBe(declaration);
      }
      for (const [name, lines] of Object.entries(one.chains ?? {})) {
        expect(chains.get(name)?.rules.map(plain), name).toEqual(lines);
      }
    });
  }
});

describe("changes", () => {
  const objects = cases[0]!.objects;
  const empty = rulesFor([]);
  const full = rulesFor(objects);

  it("are none between equal objects", () => {
    expect(changeScript(full, rulesFor(structuredClone(objects)))).toEqual({
      change: "",
      cleanup: "",
    });
  });

  it("add only what is new", () => {
    const { change, cleanup } = changeScript(empty, full);
    expect(cleanup).toBe("");
    expect(change).not.toContain("coxswain-0 prerouting");
    expect(plain(change).split("\n")).toEqual(
      expect.arrayContaining([
        "add element inet coxswain-0 cluster-ips4 { 10.96.0.7 }",
        "add element inet coxswain-0 services4 { 10.96.0.7 . tcp . 80 : " +
          "goto cluster-default/web/tcp/http }",
      ]),
    );
  });

  it("unlink first and delete afterwards", () => {
    const { change, cleanup } = changeScript(full, empty);
    expect(plain(change)).toContain(
      "delete element inet coxswain-0 services4 { 10.96.0.7 . tcp . 80 }",
    );
    expect(change).not.toContain("delete chain");
    expect(plain(cleanup)).toContain("delete chain inet coxswain-0 cluster-default/web/tcp/http\n");
  });

  it("replace a verdict by deleting and adding its element", () => {
    const refused = rulesFor([objects[0]!]);
    const { change } = changeScript(refused, full);
    expect(change).toContain("delete element inet coxswain-0 refused4 { 10.96.0.7 . tcp . 80 }");
  });

  it("take a table over without touching what dynamic sets have learned", () => {
    const sticky = rulesFor(cases.find((one) => one.name.startsWith("session"))!.objects);
    const existing = namesOf(sticky);
    const { change, cleanup } = adoptScript(existing, sticky);
    expect(cleanup).toBe("");
    expect(change).toContain("flush map inet coxswain-0 services4");
    expect(change).not.toMatch(/flush set inet coxswain-0 affinity/);
    expect(adoptScript(existing, empty).cleanup).toMatch(/delete set inet coxswain-0 affinity/);
  });

  it("start a table anew by deleting it in the same transaction", () => {
    expect(replaceScript(empty).change.split("\n").slice(0, 3)).toEqual([
      "add table inet coxswain-0",
      "delete table inet coxswain-0",
      "add table inet coxswain-0",
    ]);
  });
});
