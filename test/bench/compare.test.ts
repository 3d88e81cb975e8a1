import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { configMap, largePod } from "./load/bodies.ts";
import { contender } from "./load/contenders.ts";
import { fromKubeconfig } from "./load/kubeconfig.ts";
import { load } from "./load/lanes.ts";
import { Report } from "./load/report.ts";
import { markdownTable, textTable } from "./load/tables.ts";
import { choose } from "./load/workloads.ts";

const folder = mkdtempSync(join(tmpdir(), "coxswain-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

function kubeconfig(cluster: object, user: object): string {
  const context = { name: "a", context: { cluster: "c", user: "u" } };
  const [clusters, users] = [[{ name: "c", cluster }], [{ name: "u", user }]];
  const config = { "current-context": "a", contexts: [context], clusters, users };
  return written("kubeconfig", JSON.stringify(config));
}

const server = "https://127.0.0.1:6443";

describe("a kubeconfig", () => {
  it("has its credentials inline", () => {
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const cluster = { server, "certificate-authority-data": base64("CA") };
    const user = { "client-certificate-data": base64("CERT"), "client-key-data": base64("KEY") };
    const target = fromKubeconfig(kubeconfig(cluster, user));
    expect(target).toEqual({ server, ca: "CA", cert: "CERT", key: "KEY" });
  });

  it("has its credentials in files beside it", () => {
    written("ca.crt", "CA");
    written("token", "TOKEN\n");
    const cluster = { server, "certificate-authority": "ca.crt", "tls-server-name": "kubernetes" };
    const file = kubeconfig(cluster, { tokenFile: join(folder, "token") });
    const target = fromKubeconfig(file);
    expect(target).toEqual({ server, ca: "CA", serverName: "kubernetes", token: "TOKEN" });
  });

  it("may do without the server's certificate", () => {
    const file = kubeconfig({ server, "insecure-skip-tls-verify": true }, { token: "T" });
    expect(fromKubeconfig(file)).toEqual({ server, insecure: true, token: "T" });
  });

  it.each([
    [{}, {}, "names no server"],
    [{ server }, { exec: { command: "login" } }, "is needed"],
  ])("is refused when it is no use: %j %j", (cluster, user, message) => {
    expect(() => fromKubeconfig(kubeconfig(cluster, user))).toThrow(message);
  });
});

describe("the choice", () => {
  const settings = { durability: "strict", played: false };
  const chosen = (names: string[], kill = false) =>
    choose(names, kill).map(({ group, name }) => `${group}/${name}`);

  it("is by name, by group, by both", () => {
    expect(chosen(["create"])).toEqual(["configmaps/create", "large/create"]);
    expect(chosen(["large/get", "deployments"])).toEqual([
      "large/get",
      "deployments/deployment",
      "deployments/deployments-100",
    ]);
    expect(() => chosen(["creat"])).toThrow('no workload "creat"');
  });

  it("leaves out what takes long, and kills, unless asked for", () => {
    expect(chosen([])).not.toContain("pods/pods-5000");
    expect(chosen(["all"])).toContain("pods/pods-5000");
    expect(chosen(["all"])).not.toContain("upkeep/recovery");
    expect(chosen([], true)).toContain("upkeep/recovery");
  });

  it("of contenders names what it does not know", () => {
    expect(() => contender("kubeconfg=x", settings)).toThrow('"kubeconfg=x"');
    expect(() => contender("name=x", settings)).toThrow("which server?");
  });

  it("of contenders takes a folder's description of its servers", () => {
    const file = kubeconfig({ server }, { token: "T" });
    const peer = { name: "kubernetes v1", kubeconfig: file, processes: { etcd: 123 } };
    written("peer.json", JSON.stringify(peer));
    expect(contender(folder, settings)).toMatchObject({ name: "kubernetes v1", sibling: false });
  });
});

describe("the load", () => {
  it("does each once, and no more after a failure", async () => {
    const seen: number[] = [];
    const { done } = await load(100, Number.POSITIVE_INFINITY, async (index) => seen.push(index));
    expect(done).toBe(100);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    let tried = 0;
    const failing = load(1e9, Number.POSITIVE_INFINITY, async () => {
      if (tried++ === 50) throw new Error("refused");
    });
    await expect(failing).rejects.toThrow("refused");
  });

  it("writes objects of the sizes that titles say", () => {
    const size = (body: object) => JSON.stringify(body).length;
    expect(size(configMap("object-1", {})) / 1024).toBeCloseTo(0.85, 1);
    expect(size(largePod("object-1", {})) / 1024).toBeCloseTo(10, 0);
  });
});

describe("a report", () => {
  const ours = { name: "ours", sibling: true };
  const theirs = { name: "theirs", sibling: false };

  it("has medians and how many times better the first one is", () => {
    const report = new Report([ours, theirs]);
    for (const [mine, other] of [
      [300, 100],
      [100, 50],
      [200, 150],
    ] as const) {
      report.add("ours", { what: "get", value: mine, unit: "/s", budget: 3 });
      report.add("theirs", { what: "get", value: other, unit: "/s", budget: 3 });
      report.add("ours", { what: "wait", value: mine, unit: "ms", budget: 0.5 });
      report.add("theirs", { what: "wait", value: other, unit: "ms", budget: 0.5 });
    }
    const [, get, wait] = report.figures();
    const medians = ["200", "100–300", "100", "50.0–150"];
    expect(get).toEqual(["get", "/s", ...medians, "2.00 ×", "3 ×: NOT MET"]);
    expect(wait).toEqual(["wait", "ms", ...medians, "0.50 ×", "0.5 ×: met"]);
  });

  it("alone compares with the reference; a sibling has no budget", () => {
    const alone = new Report([ours]);
    alone.add("ours", { what: "get", value: 8, unit: "/s", reference: 2, budget: 3, note: "n" });
    expect(alone.figures()[1]).toEqual([
      "get",
      "/s",
      "8.00",
      "",
      "2.00",
      "4.00 ×",
      "3 ×: met",
      "n",
    ]);
    const siblings = new Report([ours, { name: "old", sibling: true }]);
    siblings.add("ours", { what: "get", value: 8, unit: "/s", reference: 2, budget: 3 });
    expect(siblings.figures()[1]?.at(-1)).toBe("");
  });

  it("is a table for terminals and for documents", () => {
    const lines = [
      ["", "rate"],
      ["a|b", "1,000"],
      ["c", "5.00"],
    ];
    expect(textTable(lines)).toBe("      rate\na|b  1,000\nc     5.00");
    expect(markdownTable(lines)).toBe("|  | rate |\n|---|--:|\n| a\\|b | 1,000 |\n| c | 5.00 |");
  });
});
