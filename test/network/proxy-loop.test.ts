import { beforeEach, describe, expect, it } from "vitest";
import type { Command } from "../../services/node/command.ts";
import { startProxy } from "../../services/proxy/start.ts";
import type { Bus } from "../../shared/actor/bus.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection } from "../../shared/store/projection.ts";

const HEADERS = { actor: "user", replica: "test", trace: "t", cause: 0 };

/** Stands where nft is: keeps what it is given, and can be told to fail. */
class Recorder {
  readonly scripts: string[] = [];
  /** The table as nft lists it; undefined: there is none. */
  listing: string | undefined;
  failing = false;
  conntrack = 0;

  readonly command: Command = async (program, args, options) => {
    const ok = { code: 0, stdout: "", stderr: "" };
    if (program === "conntrack") {
      this.conntrack++;
      return ok;
    }
    if (args.includes("list")) {
      if (this.listing === undefined) return { ...ok, code: 1, stderr: "No such file" };
      return { ...ok, stdout: this.listing };
    }
    if (this.failing) return { ...ok, code: 1, stderr: "Error: cannot" };
    const script = options?.input ?? "";
    this.scripts.push(script);
    const added = script.matchAll(/^add (set|map|chain) inet coxswain-0 (\S+)/gm);
    const entries = [...added].map(([, kind = "", name]) => ({ [kind]: { name } }));
    if (script.includes("delete table")) this.listing = JSON.stringify({ nftables: entries });
    return ok;
  };
}

describe("the proxy's loop", () => {
  let runtime: SeededRuntime;
  let store: MemoryStore;
  let projection: Projection;
  let recorder: Recorder;

  const service = async (name: string, index: number, protocol = "TCP"): Promise<void> => {
    const address = `10.96.1.${index}`;
    const object = {
      ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: "default", name } },
      spec: { clusterIP: address, clusterIPs: [address], ports: [{ port: 80, protocol }] },
    };
    const write = { key: `services/default/${name}`, value: encodeObject(object) };
    await store.commit([write], HEADERS);
  };

  const start = () =>
    startProxy(
      { runtime, bus: {} as Bus, logger: silentLogger, replica: "test" },
      {
        identity: "system:kube-proxy",
        node: "node-1",
        networkNamespace: undefined,
        table: "coxswain-0",
        serviceCidrs: ["10.96.0.0/16"],
        clusterCidrs: ["10.244.0.0/16"],
        foreignCidrs: [],
        projection,
        command: recorder.command,
      },
    );

  beforeEach(async () => {
    runtime = new SeededRuntime({ seed: 1 });
    store = new MemoryStore(runtime);
    projection = new Projection({ runtime });
    recorder = new Recorder();
  });

  it("waits for the first listing, and then loads the whole table", async () => {
    const proxy = await start();
    await runtime.advance(500);
    expect(recorder.scripts).toEqual([]);
    await service("web", 1);
    void projection.follow(store);
    await runtime.advance(500);
    expect(recorder.scripts).toHaveLength(1);
    expect(recorder.scripts[0]).toContain("delete table inet coxswain-0");
    expect(recorder.scripts[0]).toContain("10.96.1.1 . tcp . 80");
    await proxy.settled();
    await proxy.stop();
  });

  it("loads a burst of changes at once", async () => {
    void projection.follow(store);
    const proxy = await start();
    await runtime.advance(500);
    for (let i = 1; i <= 100; i++) await service(`web-${i}`, i);
    await runtime.advance(500);
    expect(recorder.scripts).toHaveLength(2);
    expect(recorder.scripts[1]).not.toContain("delete table");
    await proxy.stop();
  });

  it("does nothing for changes that do not change the rules", async () => {
    void projection.follow(store);
    const proxy = await start();
    await service("web", 1);
    await runtime.advance(500);
    const before = recorder.scripts.length;
    await service("web", 1);
    await runtime.advance(500);
    expect(recorder.scripts).toHaveLength(before);
    await proxy.stop();
  });

  it("tries again, ever more slowly, while the kernel refuses", async () => {
    void projection.follow(store);
    recorder.failing = true;
    const proxy = await start();
    await runtime.advance(60_000);
    expect(recorder.scripts).toEqual([]);
    recorder.failing = false;
    await runtime.advance(11_000);
    expect(recorder.scripts).toHaveLength(1);
    await proxy.settled();
    await proxy.stop();
  });

  it("loads the table anew when somebody has removed it", async () => {
    void projection.follow(store);
    const proxy = await start();
    await runtime.advance(500);
    recorder.listing = undefined;
    await runtime.advance(6_000);
    expect(recorder.scripts).toHaveLength(2);
    expect(recorder.scripts[1]).toContain("delete table inet coxswain-0");
    await proxy.stop();
  });

  it("looks for stale flows only when UDP ports change", async () => {
    void projection.follow(store);
    const proxy = await start();
    await runtime.advance(500);
    const before = recorder.conntrack;
    await service("tcp", 1);
    await runtime.advance(500);
    expect(recorder.conntrack).toBe(before);
    await service("udp", 2, "UDP");
    await runtime.advance(500);
    expect(recorder.conntrack).toBeGreaterThan(before);
    await proxy.stop();
  });

  it("leaves the rules in place when it stops", async () => {
    void projection.follow(store);
    const proxy = await start();
    await runtime.advance(500);
    const before = recorder.scripts.length;
    await proxy.stop();
    await service("late", 9);
    await runtime.advance(20_000);
    expect(recorder.scripts).toHaveLength(before);
  });
});
