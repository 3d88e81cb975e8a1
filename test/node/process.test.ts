import { afterAll, beforeAll, expect, it } from "vitest";
import type { Running } from "../../shared/actor/dependencies.ts";
import { describeOnMachine } from "../network/machine.ts";
import { isReady, NodeLab } from "./lab.ts";

const FOREVER = ["sh", "-c", "trap 'exit 0' TERM; echo up; sleep 100000 & wait"];

describeOnMachine("pods as processes of the host", ["unshare", "nsenter", "setpriv"], () => {
  const lab = new NodeLab();
  let kubelet: Running | undefined;
  beforeAll(async () => {
    await lab.start({ runtime: "process", kubelet: false });
    kubelet = await lab.startKubelet();
  }, 60_000);
  afterAll(async () => {
    await kubelet?.stop();
    await lab.stop();
  }, 60_000);

  it("runs a pod with volumes, environment and probes, and takes it down", async () => {
    await lab.create("configmaps", { metadata: { name: "page" }, data: { text: "hello" } });
    const name = await lab.pod({
      volumes: [
        { name: "page", configMap: { name: "page" } },
        { name: "scratch", emptyDir: {} },
      ],
      containers: [
        {
          name: "main",
          command: FOREVER,
          env: [{ name: "WHO", value: "a b 'c'" }],
          readinessProbe: { exec: { command: ["test", "-e", "/page/text"] }, periodSeconds: 1 },
          volumeMounts: [
            { name: "page", mountPath: "/page" },
            { name: "scratch", mountPath: "/scratch/deep" },
          ],
        },
      ],
    });
    await lab.until(name, isReady);
    const words = [
      "sh",
      "-c",
      'cat /page/text; echo "$WHO"; hostname; ps -e | wc -l; touch /new; ls /new',
    ];
    const { stdout } = await lab.exec(name, "main", ...words);
    expect(stdout).toMatch(new RegExp(`^helloa b 'c'\n${name}\n\\s*\\d\n/new\n$`));
    await expect.poll(() => lab.logs(name, "main")).toBe("up\n");
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("reports how containers end", async () => {
    const name = await lab.pod({
      restartPolicy: "Never",
      containers: [
        { name: "good", command: ["true"] },
        { name: "bad", command: ["sh", "-c", "echo why > /dev/termination-log; exit 6"] },
      ],
    });
    const pod = await lab.until(name, ({ status }) => status?.phase === "Failed");
    expect(pod.status?.containerStatuses?.map(({ state }) => state?.terminated?.exitCode)).toEqual([
      0, 6,
    ]);
    expect(pod.status?.containerStatuses?.[1]?.state?.terminated?.message).toBe("why\n");
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("says what it cannot do", async () => {
    const name = await lab.pod({ containers: [{ name: "main" }] });
    const pod = await lab.until(
      name,
      ({ status }) =>
        status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerError",
    );
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting?.message).toContain("has no images");
    await lab.delete(name, 0);
  });

  it("lets containers run on without the kubelet", async () => {
    const name = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const before = await lab.until(name, isReady);
    await expect.poll(() => lab.logs(name, "main")).toBe("up\n");
    await kubelet?.stop();
    kubelet = await lab.startKubelet();
    const after = await lab.until(name, isReady);
    expect(after.status?.containerStatuses).toEqual(before.status?.containerStatuses);
    expect((await lab.exec(name, "main", "echo", "alive")).stdout).toBe("alive\n");
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("decides the same again on what was recorded, all of it", async () => {
    const parts = lab.decisions.map(({ seen }) => seen?.node?.["part"] ?? "effects");
    expect(new Set(parts)).toEqual(new Set(["node", "effects", "status", "removal"]));
    const report = await lab.replay();
    expect(report?.differences).toEqual([]);
    expect(report).toMatchObject({ identical: lab.decisions.length, skipped: {} });
  });
});
