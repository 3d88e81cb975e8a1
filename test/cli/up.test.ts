import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { getPriority } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunningCluster } from "../kubectl/cluster.ts";

const TEST_MS = 120_000;

describe("cox up", () => {
  let cluster: RunningCluster;
  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated");
  }, TEST_MS);
  afterAll(() => cluster?.end(), TEST_MS);

  it(
    "says so when the cluster runs already, and leaves it alone",
    async () => {
      const again = await cluster.cox("up", "--detach");
      expect(again.code).toBe(1);
      expect(again.stderr).toContain(`A cluster runs in ${cluster.data} already`);
      expect((await cluster.cox("status")).code).toBe(0);
    },
    TEST_MS,
  );

  it.runIf(process.getuid?.() === 0)("serves people before it decides", () => {
    const nice = (name: string): number => getPriority(cluster.pidOf(name));
    for (const name of ["nats-server", "apiserver"]) {
      expect(nice(name)).toBeLessThan(nice("control"));
    }
    expect(nice("control")).toBeLessThan(getPriority());
  });

  it(
    "goes on with what a killed supervisor left",
    async () => {
      await cluster.must("kubectl create configmap kept --from-literal=a=b");
      const before = cluster.pidOf("apiserver");
      process.kill(cluster.pidOf("supervisor"), "SIGKILL");
      await cluster.up();
      expect(cluster.pidOf("apiserver")).not.toBe(before);
      expect((await cluster.cox("status")).code).toBe(0);
      expect(await cluster.must("kubectl get configmap kept -o name")).toBe("configmap/kept\n");
    },
    TEST_MS,
  );

  it(
    "says which port is taken",
    async () => {
      await cluster.cox("down");
      const other = await listenOn(cluster.port);
      const up = await cluster.cox("up", "--detach");
      other.close();
      expect(up.code).toBe(1);
      expect(up.stderr).toContain(`TCP port ${cluster.port} is in use; choose another with --port`);
    },
    TEST_MS,
  );

  it(
    "ends early, with the reason, when a process ends again and again",
    async () => {
      await cluster.cox("down");
      const bus = await listenOn(0, (socket) => {
        socket.on("error", () => undefined);
        socket.write('INFO {"server_id":"x","version":"2.12.0","max_payload":4194304}\r\n');
        socket.once("data", () => socket.end("-ERR 'Authorization Violation'\r\n"));
      });
      const { port } = bus.address() as AddressInfo;
      const started = performance.now();
      const up = await cluster.cox("up", "--detach", "--nats", `nats://127.0.0.1:${port}`);
      bus.close();
      expect(up.code).toBe(1);
      expect(up.stderr).toMatch(/ ended \d times \(exit code 1\)\./);
      expect(up.stderr).toContain("Authorization Violation");
      // Not the minute that a slow machine is given.
      expect(performance.now() - started).toBeLessThan(45_000);
      expect((await cluster.cox("status")).code).toBe(1);
    },
    TEST_MS,
  );
});

function listenOn(port: number, serve?: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(serve);
    server.once("error", reject);
    server.listen(port, () => resolve(server));
  });
}
