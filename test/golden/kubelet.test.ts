import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { reconcilePod } from "../../services/kubelet/decide/pod.ts";
import { containerHash } from "../../services/kubelet/decide/spec.ts";
import type {
  ObservedContainer,
  ObservedSandbox,
  PodSnapshot,
} from "../../services/kubelet/decide/types.ts";
import type { Container, Pod } from "../../shared/api/generated/types.ts";

/** One decision: what is known of a pod, and what must come of it. Times are seconds before now. */
interface Case {
  readonly name: string;
  readonly pod: Partial<Pod> & { readonly spec: Pod["spec"] };
  readonly sandbox?: "ready" | "dead" | "none";
  readonly containers?: readonly GivenContainer[];
  readonly probes?: PodSnapshot["probes"];
  readonly volumes?: "ready" | "missing" | "torn down";
  readonly failures?: Readonly<Record<string, { reason: string; message: string; retry: number }>>;
  readonly underWay?: readonly string[];
  readonly refused?: readonly string[];
  /** Exactly these effects, in this order; fields that are not named do not matter. */
  readonly effects: readonly object[];
  readonly status?: object;
  /** Seconds. */
  readonly requeue?: number;
}

interface GivenContainer {
  readonly name: string;
  readonly id?: string;
  readonly state: ObservedContainer["state"];
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly restarts?: number;
  /** How long ago it was started and it ended, seconds. */
  readonly started?: number | "never";
  readonly ended?: number;
  /** Seconds. */
  readonly backoff?: number;
  readonly sandbox?: string;
  readonly image?: string;
}

const NOW = Date.parse("2026-01-01T12:00:00Z");
const FOLDER = new URL("./kubelet/", import.meta.url);

for (const file of readdirSync(FOLDER).sort()) {
  const cases = parse(readFileSync(new URL(file, FOLDER), "utf8")) as readonly Case[];
  describe(file.replace(".yaml", ""), () => {
    it.each(cases.map((one) => [one.name, one] as const))("%s", (_, one) => {
      const snapshot = snapshotOf(one);
      const decision = reconcilePod(snapshot);
      expect(decision.effects, "effects").toMatchObject(one.effects);
      if (one.status) expect(decision.status, "status").toMatchObject(one.status);
      if (one.requeue !== undefined) expect(decision.requeueAfterMs).toBe(one.requeue * 1000);
      expect(reconcilePod(snapshot), "the same again").toEqual(decision);
    });
  });
}

function snapshotOf(one: Case): PodSnapshot {
  const { metadata, ...rest } = one.pod;
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    ...rest,
    metadata: { name: "web", namespace: "default", uid: "u1", ...metadata },
    spec: {
      ...(one.pod.spec as NonNullable<Pod["spec"]>),
      containers: withImages(one.pod.spec?.containers ?? []),
      ...(one.pod.spec?.initContainers
        ? { initContainers: withImages(one.pod.spec.initContainers) }
        : {}),
    },
  };
  const containers = (one.containers ?? []).map((given) => observedContainer(given));
  return {
    pod,
    observed: { sandboxes: sandboxesOf(one.sandbox ?? "ready"), containers },
    probes: one.probes ?? {},
    volumes: { ready: one.volumes !== "missing", tornDown: one.volumes === "torn down" },
    failures: Object.fromEntries(
      Object.entries(one.failures ?? {}).map(([name, { reason, message, retry }]) => [
        name,
        { reason, message, at: NOW, retryAt: NOW + retry * 1000 },
      ]),
    ),
    underWay: new Set(one.underWay ?? []),
    refused: new Set(one.refused ?? []),
    nextAttempts: {},
    hostIPs: ["172.30.0.11"],
    runtimeName: "containerd",
    now: NOW,
  };
}

function withImages(containers: readonly Container[]): Container[] {
  return containers.map((container) => ({ image: "image:1", ...container }));
}

function sandboxesOf(state: NonNullable<Case["sandbox"]>): ObservedSandbox[] {
  if (state === "none") return [];
  const ready = state === "ready";
  const ips = ready ? ["10.244.0.5"] : [];
  return [{ id: "s0", attempt: 0, ready, createdAt: NOW - 100_000, ips }];
}

function observedContainer(given: GivenContainer): ObservedContainer {
  const image = given.image ?? "image:1";
  const since = given.started === "never" ? 60 : (given.started ?? 60);
  const ran = given.state !== "created" && given.started !== "never";
  return {
    id: given.id ?? given.name,
    name: given.name,
    sandbox: given.sandbox ?? "s0",
    attempt: given.restarts ?? 0,
    restartCount: given.restarts ?? 0,
    state: given.state,
    createdAt: NOW - since * 1000,
    startedAt: ran ? NOW - since * 1000 : 0,
    finishedAt: given.state === "exited" ? NOW - (given.ended ?? 0) * 1000 : 0,
    exitCode: given.exitCode ?? 0,
    reason: given.reason ?? "",
    message: given.message ?? "",
    image,
    imageID: `${image}@sha256:0`,
    hash: containerHash({ name: given.name, image }),
    backoffMs: (given.backoff ?? 0) * 1000,
  };
}
