import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serverConfig } from "../../nats/config.ts";
import {
  apiserverUser,
  controllersUser,
  nodeUser,
  operatorUser,
  readerUser,
  verifyUser,
} from "../../nats/permissions.ts";
import {
  escapeToken,
  identityToken,
  keyOfSubject,
  subjectOfKey,
  subjectOfPrefix,
  unescapeToken,
} from "../../nats/subjects.ts";
import { keyOf } from "../../shared/api/key.ts";

describe("tokens", () => {
  it.each([
    ["system:kube-scheduler", "system:kube-scheduler"],
    ["system:node:node.1", "system:node:node%2E1"],
    ["a b*c>d%e\tf", "a%20b%2Ac%3Ed%25e%09f"],
    ["zürich", "zürich"],
    ["", ""],
  ])("%j is written %j", (text, token) => {
    expect(identityToken(text)).toBe(token);
    expect(unescapeToken(token)).toBe(text);
  });

  it("are reversible and free of what NATS reads otherwise", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const token = escapeToken(text);
        expect(token).not.toMatch(/[.*>\s\p{Cc}]/u);
        expect(unescapeToken(token)).toBe(text);
      }),
    );
  });
});

describe("subjects of keys", () => {
  it.each([
    ["pods/default/web-1", "$KV.cluster._.pods.default.web-1"],
    ["nodes/_/node-1", "$KV.cluster._.nodes._.node-1"],
    ["deployments.apps/a/web", "$KV.cluster.apps.deployments.a.web"],
    [
      "clusterroles.rbac.authorization.k8s.io/_/system:node.x",
      "$KV.cluster.rbac%2Eauthorization%2Ek8s%2Eio.clusterroles._.system:node%2Ex",
    ],
  ])("%s is %s", (key, subject) => {
    expect(subjectOfKey("cluster", key)).toBe(subject);
    expect(keyOfSubject(subject)).toBe(key);
  });

  it("round trip for any names", () => {
    const name = fc
      .string({ minLength: 1, unit: "grapheme" })
      .filter((text) => !text.includes("/"));
    const plural = fc.stringMatching(/^[a-z]{1,8}$/);
    const group = fc.constantFrom("", ".apps", ".x.y.io");
    fc.assert(
      fc.property(
        plural,
        group,
        fc.option(fc.stringMatching(/^[a-z-]{1,8}$/)),
        name,
        (...parts) => {
          const key = keyOf(parts[0] + parts[1], parts[2] ?? "", parts[3]);
          expect(keyOfSubject(subjectOfKey("cluster", key))).toBe(key);
        },
      ),
    );
  });

  it.each([
    ["", "$KV.cluster.>"],
    ["pods/", "$KV.cluster._.pods.>"],
    ["deployments.apps/default/", "$KV.cluster.apps.deployments.default.*"],
    ["nodes/_/", "$KV.cluster._.nodes._.*"],
  ])("the prefix %j is %s", (prefix, subject) => {
    expect(subjectOfPrefix("cluster", prefix)).toBe(subject);
  });

  it("refuses prefixes that cut a segment", () => {
    expect(() => subjectOfPrefix("cluster", "pods/default/web")).toThrow(TypeError);
    expect(() => subjectOfPrefix("cluster", "pods")).toThrow(TypeError);
  });

  it("knows what is no key", () => {
    expect(keyOfSubject("$KV.cluster.barrier")).toBeUndefined();
  });
});

describe("the server's configuration", () => {
  const settings = {
    name: "cox-1",
    host: "127.0.0.1",
    port: 4222,
    storeDirectory: "/data/jetstream",
    logFile: "/data/nats-server.log",
    pidFile: "/data/nats-server.pid",
    users: [
      apiserverUser("a"),
      controllersUser("b", ["system:kube-scheduler"]),
      nodeUser("n", "c"),
    ],
  };

  it("syncs every write under strict durability, and refuses less", () => {
    expect(serverConfig({ ...settings, durability: "strict" })).toContain("sync_interval: always");
    expect(() => serverConfig({ ...settings, durability: "strict", sync: "1s" })).toThrow(
      "sync_interval 1s can lose acknowledged writes",
    );
    expect(serverConfig({ ...settings, durability: "relaxed", sync: "1s" })).toContain(
      "sync_interval: 1s",
    );
  });

  it("lets an actor publish under its own identity only", () => {
    const { publish } = controllersUser("b", ["system:kube-scheduler"]);
    expect(publish.filter((subject) => subject.startsWith("api."))).toEqual([
      "api.system:kube-scheduler.>",
    ]);
    expect(publish.some((subject) => subject.startsWith("$KV."))).toBe(false);
    expect(nodeUser("n", "c").publish.some((subject) => subject.startsWith("$"))).toBe(false);
  });

  it("has nobody's reply subjects remembered who reads streams", () => {
    const create = "$JS.API.CONSUMER.CREATE.";
    for (const { publish, answers } of [...settings.users, verifyUser("v", "verify")]) {
      if (!answers) continue;
      for (const subject of publish.filter((each) => each.startsWith(create))) {
        expect(publish).toContain(`$JS.ACK.${subject.slice(create.length)}`);
      }
    }
    // It may answer everybody as it is.
    expect(apiserverUser("a").answers).toBeUndefined();
    expect(apiserverUser("a").publish).toContain("_INBOX.>");
  });

  it("lets only the operator give orders, and nobody hear those to others", () => {
    const orders = (subjects: readonly string[]) =>
      subjects.filter((subject) => /^process|^>/.test(subject));
    for (const { publish } of [...settings.users, readerUser("d")]) {
      expect(orders(publish)).toEqual([]);
    }
    expect(orders(operatorUser("e").publish)).toEqual(["process.*.order", "processes.order"]);
    expect(orders(nodeUser("my.host", "c").subscribe)).toEqual([
      "process.node-my%2Ehost.order",
      "processes.order",
    ]);
  });
});
