import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NatsBus } from "../../nats/bus.ts";
import type { Connection } from "../../nats/connect.ts";
import { connect } from "../../nats/connect.ts";
import { openDecisions } from "../../nats/decisions.ts";
import { obtainServer, startServer } from "../../nats/server.ts";
import { openStore } from "../../nats/store.ts";
import type { BusMessage } from "../../shared/actor/bus.ts";
import { BusError, NoResponderError, RequestTimeoutError } from "../../shared/actor/bus.ts";
import type { DecisionRecord } from "../../shared/log/decision.ts";
import { cacheDirectory, TestServer, testRuntime, USERS, value } from "./harness.ts";

let server: TestServer;
let apiserver: Connection;
let controllers: Connection;
let node: Connection;
beforeAll(async () => {
  server = await TestServer.start();
  apiserver = await server.connect("apiserver");
  controllers = await server.connect("controllers");
  node = await server.connect("node-node.1");
});
afterAll(() => server.stop());

const OWN = "api.system:controller:replicaset.plan";

/** Everything that both connections said has arrived when this resolves. */
async function settle(): Promise<void> {
  for (const connection of [controllers, node, apiserver]) await connection.nats.flush();
  await apiserver.nats.flush();
}

describe("the bus", () => {
  it("answers requests, one server of a group each", async () => {
    const servers = [new NatsBus(apiserver), new NatsBus(apiserver)];
    const counts = [0, 0];
    const subscriptions = servers.map((bus, index) =>
      bus.subscribe(
        "api.*.plan",
        (message) => {
          counts[index] = (counts[index] ?? 0) + 1;
          message.respond(value(`${message.subject} ${Buffer.from(message.data)}`));
        },
        { queue: "apiserver" },
      ),
    );
    await servers[0]?.flush();
    const bus = new NatsBus(controllers);
    for (let round = 0; round < 20; round += 1) {
      const answer = await bus.request(OWN, value(`${round}`), 1_000);
      expect(Buffer.from(answer.data).toString()).toBe(`${OWN} ${round}`);
    }
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(20);
    for (const subscription of subscriptions) subscription.stop();
    await servers[0]?.flush();
  });

  it("says at once when nobody serves, and later when nobody answers", async () => {
    const bus = new NatsBus(controllers);
    await expect(bus.request(OWN, value(""), 5_000)).rejects.toBeInstanceOf(NoResponderError);
    const silent = new NatsBus(apiserver).subscribe("api.>", () => {});
    await apiserver.nats.flush();
    await expect(bus.request(OWN, value(""), 20)).rejects.toBeInstanceOf(RequestTimeoutError);
    silent.stop();
    await apiserver.nats.flush();
  });

  it("carries answers that are streams to an inbox", async () => {
    const bus = new NatsBus(controllers);
    const inbox = bus.inbox();
    const received: string[] = [];
    const all = new Promise<void>((resolve) => {
      bus.subscribe(inbox, (message) => {
        received.push(Buffer.from(message.data).toString());
        if (received.length === 3) resolve();
      });
    });
    const serving = new NatsBus(apiserver).subscribe("api.*.watch", (message) => {
      for (const frame of ["1", "2", "3"]) message.respond(value(frame));
    });
    await apiserver.nats.flush();
    bus.publish("api.system:controller:replicaset.watch", value(""), { reply: inbox });
    await all;
    expect(received).toEqual(["1", "2", "3"]);
    serving.stop();
  });

  it("lets nobody speak or listen under another's identity", async () => {
    const heard: string[] = [];
    const listen = (message: BusMessage): void => {
      heard.push(message.subject);
    };
    const all = new NatsBus(apiserver);
    const subscriptions = [all.subscribe("api.>", listen), all.subscribe("heartbeat.>", listen)];
    await settle();
    const forged = [
      "api.system:kube-scheduler.plan",
      "api.system:node:node%2E1.get",
      "heartbeat.node%2E1",
      "$JS.API.STREAM.DELETE.KV_cluster",
    ];
    for (const subject of [...forged, OWN]) controllers.nats.publish(subject, "");
    for (const subject of [OWN, "heartbeat.node-2", "heartbeat.node%2E1"]) {
      node.nats.publish(subject, "");
    }
    // What is answered there is for others' eyes only.
    const stolen = new NatsBus(node).subscribe("_INBOX.controllers.>", listen);
    const foreign = new NatsBus(node).subscribe("node.node-2.>", listen);
    await settle();
    all.publish("node.node-2.stream.exec", value(""));
    all.publish("_INBOX.controllers.x", value(""));
    await settle();
    await node.nats.flush();
    expect(heard.toSorted()).toEqual([OWN, "heartbeat.node%2E1"]);
    for (const each of [...subscriptions, stolen, foreign]) each.stop();
  });

  it("comes back by itself after the server was killed", async () => {
    const bus = new NatsBus(controllers);
    const states: boolean[] = [];
    const back = new Promise<void>((resolve) => {
      bus.onStatus((connected) => {
        states.push(connected);
        if (connected) resolve();
      });
    });
    const serving = new NatsBus(apiserver).subscribe("api.>", (message) =>
      message.respond(value("yes")),
    );
    const lost = new Promise<void>((resolve) => {
      bus.onStatus((connected) => {
        if (!connected) resolve();
      });
    });
    await server.kill();
    await lost;
    expect(bus.connected).toBe(false);
    await expect(bus.request(OWN, value(""), 5_000)).rejects.toBeInstanceOf(BusError);
    await server.startAgain();
    await back;
    expect(states).toEqual([false, true]);
    await expect
      .poll(() =>
        bus.request(OWN, value(""), 1_000).then(
          (answer) => answer.data.length,
          () => 0,
        ),
      )
      .toBe(3);
    serving.stop();
  });
});

describe("decisions", () => {
  it("are kept and can be read by actor", async () => {
    const store = await openStore(apiserver, testRuntime, {
      name: "cluster",
      durability: "strict",
    });
    const record = (actor: string, trace: string): DecisionRecord => ({
      format: 1,
      trace,
      actor,
      replica: `${actor}-7f3a`,
      version: 1,
      key: "replicasets.apps/default/web",
      decidedAt: 7,
      now: 0,
      cause: 7,
      plan: { actions: [] },
      outcome: "committed",
      micros: 12,
    });
    const writing = openDecisions(controllers);
    writing.append(record("replicaset", "a"));
    writing.append(record("deployment", "b"));
    writing.append(record("replicaset", "c"));
    await controllers.nats.flush();
    const reading = openDecisions(apiserver);
    await expect.poll(async () => (await reading.read()).length).toBe(3);
    expect(await reading.read({ actor: "replicaset" })).toEqual([
      record("replicaset", "a"),
      record("replicaset", "c"),
    ]);
    expect(await reading.read({ actor: "deployment", replica: "none" })).toEqual([]);
    await store.close();
  });
});

describe("the server's program", () => {
  it("is taken from the PATH when it is new enough, else from the cache", async () => {
    const folders = { old: join(server.directory, "old"), new: join(server.directory, "new") };
    const cache = join(server.directory, "cache");
    const program = async (folder: string, version: string): Promise<string> => {
      await mkdir(folder, { recursive: true });
      const path = join(folder, "nats-server");
      await writeFile(path, `#!/bin/sh\necho nats-server: v${version}\n`, { mode: 0o755 });
      return path;
    };
    await program(folders.old, "2.11.9");
    const onPath = await program(folders.new, "2.12.0");
    const cached = await program(join(cache, "nats-server"), "2.15.1");
    const { PATH } = process.env;
    try {
      process.env["PATH"] = `${folders.old}:/bin:/usr/bin`;
      expect(await obtainServer(cache, () => {})).toBe(cached);
      process.env["PATH"] = `${folders.old}:${folders.new}:/bin:/usr/bin`;
      expect(await obtainServer(cache, () => {})).toBe(onPath);
    } finally {
      process.env["PATH"] = PATH;
    }
  });
});

describe("the server", () => {
  it("is refused when another one has the port", async () => {
    const binary = await obtainServer(cacheDirectory(), () => {});
    const other = startServer({
      binary,
      directory: `${server.directory}/other`,
      port: server.port,
      durability: "strict",
      users: USERS,
    });
    await expect(other).rejects.toThrow(/another NATS server|nats-server ended/);
  });

  it("refuses a user with a wrong password at once", async () => {
    const login = { url: server.url, user: "apiserver", password: "wrong", name: "test" };
    await expect(connect(login)).rejects.toThrow("cannot connect");
  });

  it("that is not there is given up after the time allowed", async () => {
    const login = { url: "nats://127.0.0.1:1", user: "a", password: "b", name: "test" };
    await expect(connect({ ...login, timeoutMs: 50 })).rejects.toThrow("cannot connect");
  });
});
