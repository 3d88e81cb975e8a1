import { existsSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ContainerStatus, Pod } from "../../shared/api/generated/types.ts";
import { describeOnMachine } from "../network/machine.ts";
import { isReady, NAMESPACE, NodeLab } from "./lab.ts";

/** Ends at once when it is asked to. */
const FOREVER = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"];

describeOnMachine("life of containers on a real node", ["containerd", "runc", "busybox"], () => {
  const lab = new NodeLab();
  beforeAll(() => lab.start(), 60_000);
  afterAll(() => lab.stop(), 60_000);

  /** Events are told behind what they tell of. */
  async function toldOf(pod: string, event: RegExp): Promise<void> {
    const matching = async () => (await lab.events(pod)).filter((text) => event.test(text));
    await expect.poll(matching, { timeout: 10_000 }).not.toEqual([]);
  }

  it("follows the restart policy and backs off", async () => {
    const crash = ["sh", "-c", "echo run; exit 3"];
    const never = await lab.pod({
      restartPolicy: "Never",
      containers: [{ name: "main", command: crash }],
    });
    const always = await lab.pod({ containers: [{ name: "main", command: crash }] });
    const failed = await lab.until(never, ({ status }) => status?.phase === "Failed");
    expect(main(failed).state?.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
    const waiting = await lab.until(
      always,
      (pod) => main(pod).state?.waiting?.reason === "CrashLoopBackOff",
    );
    const title = `${always}_${NAMESPACE}(${waiting.metadata.uid})`;
    expect(main(waiting)).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 3 } },
    });
    expect(main(waiting).state?.waiting?.message).toBe(
      `back-off 10s restarting failed container=main pod=${title}`,
    );
    expect(waiting.status?.phase).toBe("Running");
    expect(await lab.logs(always, "main", { previous: true })).toBe("run\n");
    await toldOf(always, /^BackOff: Back-off restarting failed container main in pod /);
    for (const name of [never, always]) await lab.delete(name, 0);
  });

  it("says how a container ended", async () => {
    const name = await lab.pod({
      restartPolicy: "Never",
      containers: [
        { name: "file", command: ["sh", "-c", "echo last words > /dev/termination-log"] },
        {
          name: "log",
          terminationMessagePolicy: "FallbackToLogsOnError",
          command: ["sh", "-c", "echo from the log; exit 1"],
        },
        {
          name: "memory",
          command: ["sh", "-c", "exec tail /dev/zero"],
          resources: { limits: { memory: "16Mi" } },
        },
        { name: "absent", command: ["/no/such/program"] },
      ],
    });
    const pod = await lab.until(name, ({ status }) => status?.phase === "Failed");
    const ends = Object.fromEntries(
      (pod.status?.containerStatuses ?? []).map((one) => [one.name, one.state?.terminated]),
    );
    expect(ends["file"]).toMatchObject({
      exitCode: 0,
      reason: "Completed",
      message: "last words\n",
    });
    expect(ends["log"]).toMatchObject({ exitCode: 1, message: "from the log\n" });
    expect(ends["memory"]).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
    expect(ends["absent"]).toMatchObject({ exitCode: 128, reason: "StartError" });
    await lab.delete(name, 0);
  });

  it("acts on probes", async () => {
    const probe = { periodSeconds: 1, failureThreshold: 1 };
    const name = await lab.pod({
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          command: ["sh", "-c", "touch /live; trap 'exit 0' TERM; sleep 100000 & wait"],
          startupProbe: { exec: { command: ["test", "-e", "/live"] }, periodSeconds: 1 },
          livenessProbe: { exec: { command: ["test", "-e", "/live"] }, ...probe },
          readinessProbe: { exec: { command: ["test", "-e", "/ready"] }, ...probe },
        },
      ],
    });
    const unready = await lab.until(name, (pod) => main(pod).started === true);
    expect(isReady(unready)).toBe(false);
    expect(unready.status?.conditions?.find(({ type }) => type === "Ready")?.message).toBe(
      "containers with unready status: [main]",
    );
    await lab.exec(name, "main", "touch", "/ready");
    await lab.until(name, isReady);
    await lab.exec(name, "main", "rm", "/ready");
    await lab.until(name, (pod) => !isReady(pod));
    await lab.exec(name, "main", "rm", "/live");
    await lab.until(name, (pod) => main(pod).restartCount === 1 && main(pod).started === true);
    await toldOf(name, /^Killing: Container main failed liveness probe, will be restarted$/);
    await toldOf(name, /^Unhealthy: Liveness probe failed/);
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("probes over HTTP and TCP", async () => {
    const name = await lab.pod({
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          command: ["sh", "-c", "mkdir /www; echo ok > /www/health; exec httpd -f -p 8080 -h /www"],
          ports: [{ name: "web", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/health", port: "web" }, periodSeconds: 1 },
          livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    await lab.until(name, isReady);
    await lab.exec(name, "main", "rm", "/www/health");
    await lab.until(name, (pod) => !isReady(pod));
    await toldOf(
      name,
      /^Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404$/,
    );
    await lab.delete(name, 0);
  });

  it("runs hooks, and gives containers their time to end", async () => {
    const name = await lab.pod({
      terminationGracePeriodSeconds: 20,
      volumes: [
        { name: "out", hostPath: { path: `${lab.cluster.data}/out`, type: "DirectoryOrCreate" } },
      ],
      containers: [
        {
          name: "main",
          command: ["sh", "-c", "trap 'echo term >> /out/order; exit 0' TERM; sleep 100000 & wait"],
          lifecycle: {
            postStart: { exec: { command: ["sh", "-c", "echo start >> /out/order"] } },
            preStop: { exec: { command: ["sh", "-c", "echo stop >> /out/order"] } },
          },
          volumeMounts: [{ name: "out", mountPath: "/out" }],
        },
      ],
    });
    await lab.until(name, isReady);
    await lab.delete(name);
    await lab.untilGone(name);
    const { readFileSync } = await import("node:fs");
    expect(readFileSync(`${lab.cluster.data}/out/order`, "utf8")).toBe("start\nstop\nterm\n");
  });

  it("restarts a container whose postStart hook fails", async () => {
    const name = await lab.pod({
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          command: FOREVER,
          lifecycle: { postStart: { exec: { command: ["false"] } } },
        },
      ],
    });
    await lab.until(name, (pod) => main(pod).restartCount >= 1);
    await toldOf(name, /^FailedPostStartHook: PostStartHook failed$/);
    await lab.delete(name, 0);
  });

  it("ends a pod whose time is up", async () => {
    const name = await lab.pod({
      activeDeadlineSeconds: 1,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", command: FOREVER }],
    });
    const pod = await lab.until(name, ({ status }) => status?.phase === "Failed");
    expect(pod.status).toMatchObject({
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    });
    await lab.until(name, (one) => main(one).state?.terminated !== undefined);
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("leaves nothing of a pod that was removed by force", async () => {
    const name = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const pod = await lab.until(name, isReady);
    const folder = `${lab.kubeletConfig().rootDirectory}/pods/${pod.metadata.uid}`;
    expect(existsSync(folder)).toBe(true);
    await lab.delete(name, 0);
    const remains = async () => {
      const sandboxes = await lab.cri.listSandboxes();
      return (
        sandboxes.some(({ metadata }) => metadata.uid === pod.metadata.uid) || existsSync(folder)
      );
    };
    await expect.poll(remains, { timeout: 20_000 }).toBe(false);
  });
});

function main(pod: Pod): ContainerStatus {
  const found = pod.status?.containerStatuses?.[0];
  return found ?? { name: "main", image: "", imageID: "", ready: false, restartCount: 0 };
}
