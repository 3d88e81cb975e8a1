import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Pod } from "../../shared/api/generated/types.ts";
import { describeOnMachine, runtime } from "../network/machine.ts";
import { serveBusToChild } from "./ipc-bus.ts";
import { isReady, NodeLab } from "./lab.ts";

const FOREVER = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"];
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

describeOnMachine("death on a real node", ["containerd", "runc", "busybox"], () => {
  const lab = new NodeLab();
  const folder = join(REPOSITORY, ".cache", `test-kill-${process.pid}`);
  let kubelet: ChildProcess | undefined;

  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    await build({
      entryPoints: [fileURLToPath(new URL("./kubelet-process.ts", import.meta.url))],
      outfile: join(folder, "kubelet.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      logLevel: "warning",
    });
    await lab.start({ kubelet: false });
    kubelet = await startKubelet();
  }, 60_000);
  afterAll(async () => {
    kubelet?.kill("SIGKILL");
    await lab.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function startKubelet(): Promise<ChildProcess> {
    const words = [lab.criSocket, JSON.stringify(lab.kubeletConfig())];
    const child = fork(join(folder, "kubelet.mjs"), words, { serialization: "advanced" });
    const started = new Promise<void>((resolve) => {
      const subscription = lab.bus.subscribe("kubelet.started", () => {
        subscription.stop();
        resolve();
      });
    });
    serveBusToChild(child, lab.bus);
    await started;
    return child;
  }

  async function killKubelet(): Promise<void> {
    const gone = new Promise((resolve) => kubelet?.once("exit", resolve));
    kubelet?.kill("SIGKILL");
    await gone;
  }

  it("takes up what runs after the kubelet's death, and what happened meanwhile", async () => {
    const ready = { exec: { command: ["true"] }, periodSeconds: 1 };
    const kept = await lab.pod({
      containers: [{ name: "main", command: FOREVER, readinessProbe: ready }],
    });
    const deleted = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const ended = await lab.pod({
      restartPolicy: "Never",
      containers: [{ name: "main", command: ["sh", "-c", "sleep 2; exit 5"] }],
    });
    const removed = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const before = await lab.until(kept, isReady);
    const orphan = await lab.until(removed, isReady);
    await lab.until(deleted, isReady);
    await lab.until(ended, isReady);
    await killKubelet();
    await lab.delete(deleted);
    await lab.delete(removed, 0);
    const late = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    await expect.poll(() => exitOf(ended), { timeout: 10_000 }).toBe("exited");
    const unready: string[] = [];
    kubelet = await startKubelet();
    await lab.until(late, (pod) => {
      if (!isReady(pod)) unready.push(pod.metadata.name);
      return isReady(pod);
    });
    await lab.untilGone(deleted);
    const failed = await lab.until(ended, ({ status }) => status?.phase === "Failed");
    expect(failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(5);
    await expect.poll(() => sandboxesOf(orphan), { timeout: 20_000 }).toBe(0);
    const after = await lab.until(kept, isReady);
    expect(identityOf(after)).toEqual(identityOf(before));
    expect(readySince(after)).toBe(readySince(before));
  });

  it("goes on over the death of containerd without restarting anything", async () => {
    const kept = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const before = await lab.until(kept, isReady);
    await killContainerd();
    const started = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    await lab.until(started, isReady);
    const after = await lab.until(kept, isReady);
    expect(identityOf(after)).toEqual(identityOf(before));
    expect(readySince(after)).toBe(readySince(before));
    expect((await lab.exec(kept, "main", "echo", "alive")).stdout).toBe("alive\n");
  });

  it("starts every pod though containerd dies meanwhile, each in one sandbox", async () => {
    const main = { name: "main", command: FOREVER };
    const names: string[] = [];
    for (let round = 0; round < 6; round++) {
      names.push(await lab.pod({ containers: [main] }));
      await runtime.timers.sleep(40);
      if (round === 2 || round === 4) await killContainerd();
    }
    for (const name of names) {
      const pod = await lab.until(name, isReady, 25_000);
      const sandboxes = (await lab.cri.listSandboxes()).filter(
        ({ metadata, ready }) => ready && metadata.uid === pod.metadata.uid,
      );
      expect(sandboxes).toHaveLength(1);
    }
    for (const name of names) await lab.delete(name, 0);
  });

  it("restarts no container and loses no pod when it is killed again and again", async () => {
    const before = await lab.pod({ containers: [{ name: "main", command: FOREVER }] });
    const first = await lab.until(before, isReady);
    const names: string[] = [];
    for (let round = 0; round < 4; round++) {
      names.push(await lab.pod({ containers: [{ name: "main", command: FOREVER }] }));
      await runtime.timers.sleep(150 * round);
      await killKubelet();
      kubelet = await startKubelet();
    }
    for (const name of names) {
      const pod = await lab.until(name, isReady, 25_000);
      expect(pod.status?.containerStatuses?.[0]?.restartCount).toBe(0);
    }
    expect(identityOf(await lab.until(before, isReady))).toEqual(identityOf(first));
  }, 120_000);

  /** Its process watcher starts it again. */
  async function killContainerd(): Promise<void> {
    const pid = lab.containerdPid;
    process.kill(pid, "SIGKILL");
    await expect.poll(() => lab.containerdPid, { timeout: 20_000 }).not.toBe(pid);
  }

  async function exitOf(name: string): Promise<string | undefined> {
    const containers = await lab.cri.listContainers();
    return containers.find(({ labels }) => labels["io.kubernetes.pod.name"] === name)?.state;
  }

  async function sandboxesOf(pod: Pod): Promise<number> {
    const sandboxes = await lab.cri.listSandboxes();
    return sandboxes.filter(({ metadata }) => metadata.uid === pod.metadata.uid).length;
  }
});

function identityOf(pod: Pod): unknown {
  const status = pod.status?.containerStatuses?.[0];
  return { id: status?.containerID, restarts: status?.restartCount, state: status?.state };
}

function readySince(pod: Pod): string | undefined {
  return pod.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
}
