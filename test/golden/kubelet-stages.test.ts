import { expect, it } from "vitest";
import { chooseStage, stageDelay, stagedStatus } from "../../services/kubelet/decide/stages.ts";
import { builtInStages } from "../../services/kubelet/stages/load.ts";
import type { Pod } from "../../shared/api/generated/types.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");
const STAGES = builtInStages();

/** The names of the stages that the pod goes through, and how it ends up. */
function play(pod: Pod, most: number): { names: string[]; pod: Pod } {
  const names: string[] = [];
  let current = pod;
  for (let round = 0; round < most; round++) {
    const stage = chooseStage(STAGES, current);
    if (!stage) break;
    names.push(stage.name);
    if (stage.next.delete) break;
    const place = { hostIP: "198.18.0.1", podIP: "100.64.0.2", now: NOW + round * 1000 };
    current = { ...current, status: stagedStatus(stage, current, place) };
  }
  return { names, pod: current };
}

function pod(labels: Record<string, string> = {}, spec: object = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "u1", labels },
    spec: { containers: [{ name: "main", image: "image:1" }], ...spec },
    status: { phase: "Pending" },
  };
}

it("makes an ordinary pod ready, and removes it when it is deleted", () => {
  const { names, pod: ready } = play(pod(), 10);
  expect(names).toEqual(["ready"]);
  expect(ready.status).toMatchObject({
    phase: "Running",
    podIP: "100.64.0.2",
    containerStatuses: [{ name: "main", ready: true, started: true, restartCount: 0 }],
  });
  expect(ready.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("True");
  const metadata = { ...ready.metadata, deletionTimestamp: "2026-01-01T12:00:30Z" };
  expect(play({ ...ready, metadata }, 10).names).toEqual(["delete"]);
});

it("runs init containers first", () => {
  const { names, pod: ready } = play(pod({}, { initContainers: [{ name: "init" }] }), 10);
  expect(names).toEqual(["init", "ready"]);
  expect(ready.status?.phase).toBe("Running");
});

it("says that its pods are ready again when the node was taken for lost", () => {
  const { pod: ready } = play(pod(), 10);
  const conditions = ready.status?.conditions?.map((one) =>
    one.type === "Ready" ? { ...one, status: "False" as const, reason: "NodeNotReady" } : one,
  );
  const lost: Pod = { ...ready, status: { ...ready.status, ...(conditions && { conditions }) } };
  const { names, pod: back } = play(lost, 10);
  expect(names).toEqual(["back"]);
  expect(back.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("True");
  expect(back.status?.containerStatuses).toEqual(ready.status?.containerStatuses);
});

it("completes pods of jobs", () => {
  const job = pod({}, { restartPolicy: "Never" });
  job.metadata.ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name: "j", uid: "j" }];
  const { names, pod: done } = play(job, 10);
  expect(names).toEqual(["ready", "complete"]);
  expect(done.status?.phase).toBe("Succeeded");
});

it("misbehaves by label", () => {
  const of = (kind: string, most = 4) => play(pod({ "coxswain.dev/simulate": kind }), most);
  expect(of("image-pull-error").names).toEqual(["image-pull-error", "image-pull-back-off"]);
  expect(of("never-ready").pod.status).toMatchObject({
    phase: "Running",
    containerStatuses: [{ ready: false }],
  });
  expect(of("crash-loop").names).toEqual(["ready", "crash", "crash-restart", "crash"]);
  expect(of("crash-loop").pod.status?.containerStatuses?.[0]).toMatchObject({ restartCount: 1 });
  expect(of("failed").pod.status?.phase).toBe("Failed");
});

it("draws the same delay for the same pod every time", () => {
  const stage = chooseStage(STAGES, pod());
  if (!stage) throw new Error("no stage");
  const delay = stageDelay(stage, pod());
  expect(stageDelay(stage, pod())).toBe(delay);
  expect(delay).toBeGreaterThanOrEqual(100);
  expect(delay).toBeLessThanOrEqual(500);
});
