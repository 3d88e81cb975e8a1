import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { answer, type DnsRecord, type Zone } from "../../services/dns/answer.ts";
import { planService, planSlice } from "../../services/dns/objects.ts";
import { snapshotOfObjects } from "../../shared/actor/snapshot.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

interface Case {
  ask: string;
  answers?: string[];
  additionals?: string[];
  follow?: string;
  nodata?: boolean;
  nxdomain?: boolean;
  foreign?: boolean;
  count?: number;
}

const ZONE: Zone = {
  domain: "cluster.local",
  dnsAddress: "10.96.0.10",
  cidrs: ["10.96.0.0/16", "10.244.0.0/16"],
};
const golden = parse(readFileSync(new URL("dns-answers.yaml", import.meta.url), "utf8")) as {
  objects: KubernetesObject[];
  questions: Case[];
};
const at = snapshotOfObjects(golden.objects, 0);

function written(record: DnsRecord): string {
  const { type, name, data } = record;
  const text =
    record.type === "SRV" ? Object.values(record.data).join(" ") : String(data as unknown);
  return `${name} ${type} ${text}`;
}

describe("answers", () => {
  for (const one of golden.questions) {
    it(one.ask, () => {
      const [name = "", type = ""] = one.ask.split(" ");
      const found = answer({ name, type }, at, ZONE);
      if (one.foreign) {
        expect(found).toBeUndefined();
        return;
      }
      expect(found?.code).toBe(one.nxdomain ? "NXDOMAIN" : "NOERROR");
      if (one.count !== undefined) {
        expect(found?.answers).toHaveLength(one.count);
        return;
      }
      const sorted = (records: readonly string[]): string[] => [...records].sort();
      expect(sorted(found?.answers.map(written) ?? [])).toEqual(sorted(one.answers ?? []));
      expect(sorted(found?.additionals.map(written) ?? [])).toEqual(sorted(one.additionals ?? []));
      expect(found?.follow).toBe(one.follow);
      const empty = one.nodata || one.nxdomain;
      expect(found?.authorities.map(({ type: kind }) => kind)).toEqual(empty ? ["SOA"] : []);
    });
  }
});

describe("the objects of the DNS", () => {
  const place = {
    node: "node-1",
    address: "172.30.0.1",
    port: 10_053,
    dnsAddress: "10.96.0.10",
  };
  const node: KubernetesObject = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "node-1", uid: "node-uid" },
  };
  const created = (objects: KubernetesObject[]): KubernetesObject[] => {
    const world = snapshotOfObjects(objects, 0);
    const actions = [...planService(world, place).actions, ...planSlice(world, place).actions];
    return actions.flatMap((action) => ("object" in action ? [action.object] : []));
  };

  it("are created once, and then nothing more is to do", () => {
    const objects = created([node]);
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      "Service kube-dns",
      "EndpointSlice kube-dns-node-1",
    ]);
    expect(objects[0]?.["spec"].clusterIP).toBe("10.96.0.10");
    expect(objects[1]?.metadata.ownerReferences?.[0]?.uid).toBe("node-uid");
    expect(created([node, ...objects])).toEqual([]);
  });

  it("wait with the endpoint for the Node that owns it", () => {
    expect(created([]).map(({ kind }) => kind)).toEqual(["Service"]);
  });

  it("follow the server to another port", () => {
    const objects = created([node]);
    const moved = snapshotOfObjects([node, ...objects], 0);
    const [action] = planSlice(moved, { ...place, port: 10_054 }).actions;
    expect(action).toMatchObject({ op: "update", expect: "3" });
  });

  it("leave an administrator's changes to the Service", () => {
    const [service] = created([node]);
    const changed = structuredClone(service!);
    changed["spec"].ports.push({ name: "metrics", port: 9153, protocol: "TCP" });
    expect(planService(snapshotOfObjects([changed], 0), place).actions).toEqual([]);
  });
});
