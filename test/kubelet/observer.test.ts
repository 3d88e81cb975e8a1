import { expect, it } from "vitest";
import { RuntimeObserver } from "../../services/kubelet/observer.ts";
import { LABELS } from "../../services/kubelet/pod/labels.ts";
import {
  type ContainerRuntime,
  type ContainerSummary,
  type RuntimeContainerStatus,
  RuntimeError,
} from "../../services/kubelet/runtimes/runtime.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";

const summaryOf = (uid: string): ContainerSummary => ({
  id: `container-of-${uid}`,
  metadata: { name: "main", attempt: 0 },
  sandbox: "",
  state: "running",
  createdAt: 1,
  labels: { [LABELS.podUid]: uid, [LABELS.containerName]: "main" },
  annotations: {},
});

/** A runtime that shows one container of each pod, and fails as it is told. */
class Shown {
  readonly failing = new Map<string, RuntimeError["code"]>();
  asked = 0;
  readonly runtime: ContainerRuntime;

  constructor(...uids: string[]) {
    const runtime: Partial<ContainerRuntime> = {
      watch: () => () => undefined,
      listSandboxes: async () => [],
      listContainers: async () => uids.map(summaryOf),
      containerStatus: async (id) => {
        this.asked++;
        const code = this.failing.get(id.replace("container-of-", ""));
        if (code) throw new RuntimeError(code, "told to fail");
        const { labels: _, ...summary } = summaryOf("");
        return {
          ...{ startedAt: 2, finishedAt: 0, exitCode: 0, reason: "", message: "", image: "" },
          ...{ imageRef: "", logPath: "" },
          ...summary,
        } as unknown as RuntimeContainerStatus;
      },
    };
    this.runtime = runtime as ContainerRuntime;
  }
}

function observe(shown: Shown): { observer: RuntimeObserver; changed: string[] } {
  const changed: string[] = [];
  const observer = new RuntimeObserver({
    runtime: shown.runtime,
    environment: liveRuntime(),
    logger: silentLogger,
    changed: (uid) => changed.push(uid),
    returned: () => undefined,
  });
  return { observer, changed };
}

it("shows the other pods when one cannot be looked at, and that one when it can", async () => {
  const shown = new Shown("odd", "well");
  shown.failing.set("odd", "failed");
  const { observer, changed } = observe(shown);
  await observer.refresh();
  expect(observer.isCertain("odd")).toBe(false);
  expect(observer.isCertain("well")).toBe(true);
  expect(observer.pod("well").containers).toHaveLength(1);
  expect(changed).toEqual(["well"]);
  shown.failing.clear();
  await observer.refresh();
  expect(observer.isCertain("odd")).toBe(true);
  expect(observer.pod("odd").containers).toHaveLength(1);
  expect(changed).toEqual(["well", "odd"]);
  observer.stop();
});

it("takes a runtime that is away for that, not for an odd pod", async () => {
  const shown = new Shown("one", "other");
  shown.failing.set("one", "unavailable");
  const { observer } = observe(shown);
  const refreshed = observer.refresh();
  await expect.poll(() => shown.asked).toBeGreaterThan(2);
  expect(observer.reachable).toBe(false);
  shown.failing.clear();
  await refreshed;
  expect(observer.reachable).toBe(true);
  expect(observer.isCertain("one")).toBe(true);
  observer.stop();
});
