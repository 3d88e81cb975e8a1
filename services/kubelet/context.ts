import type { ApiClient } from "../../shared/actor/client.ts";
import type { Logger } from "../../shared/actor/dependencies.ts";
import type { EventRecord } from "../../shared/actor/plan.ts";
import type { DecisionSink } from "../../shared/actor/run.ts";
import type { Pod, Service } from "../../shared/api/generated/types.ts";
import { keyOf } from "../../shared/api/key.ts";
import { DECISION_FORMAT, type DecisionRecord } from "../../shared/log/decision.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import type { PodCgroups } from "./cgroups.ts";
import type { ImagePuller } from "./images/puller.ts";
import type { RuntimeObserver } from "./observer.ts";
import type { NodeSetup } from "./pod/configs.ts";
import type { NodeFacts } from "./pod/fields.ts";
import type { ProbeManager } from "./probes/manager.ts";
import type { ContainerRuntime } from "./runtimes/runtime.ts";
import type { VolumeManager } from "./volumes/manager.ts";
import type { References } from "./volumes/references.ts";

/** What the parts of one kubelet share. */
export interface KubeletContext {
  readonly environment: Runtime;
  readonly logger: Logger;
  readonly replica: string;
  readonly client: ApiClient;
  /** The node's pods, its Node and all services. */
  readonly projection: ProjectionReader;
  readonly runtime: ContainerRuntime;
  readonly observer: RuntimeObserver;
  readonly setup: NodeSetup;
  readonly node: NodeFacts;
  readonly cgroups: PodCgroups | undefined;
  readonly volumes: VolumeManager;
  readonly references: References;
  readonly images: ImagePuller;
  readonly probes: ProbeManager;
  readonly services: () => readonly Service[];
  readonly publish: (events: readonly EventRecord[]) => void;
  readonly decisions: DecisionSink;
}

/** Grows with every change of what the kubelet decides; recorded with each decision. */
const KUBELET_VERSION = 2;

/** Records a decision about a pod, or the node (DESIGN D12). */
export function recordDecision(
  { decisions, projection, replica }: KubeletContext,
  { kind, metadata }: Pick<Pod, "metadata"> & { readonly kind?: string },
  decided: Pick<DecisionRecord, "trace" | "now" | "plan" | "outcome" | "micros" | "seen"> &
    Partial<DecisionRecord>,
): void {
  const { namespace, name, resourceVersion } = metadata;
  decisions.append({
    format: DECISION_FORMAT,
    actor: "kubelet",
    replica,
    version: KUBELET_VERSION,
    key: kind === "Node" ? keyOf("nodes", undefined, name) : keyOf("pods", namespace, name),
    decidedAt: projection.revision,
    cause: Number(resourceVersion ?? 0),
    ...decided,
  });
}

/** Publishes an event about a pod, or about one of its containers. */
export function report(
  context: Pick<KubeletContext, "publish">,
  pod: Pod,
  event: { type: "Normal" | "Warning"; reason: string; message: string; fieldPath?: string },
): void {
  const { name, namespace = "", uid = "" } = pod.metadata;
  const { fieldPath, ...rest } = event;
  const regarding = { resource: "pods", namespace, name, uid, ...(fieldPath ? { fieldPath } : {}) };
  context.publish([{ ...rest, regarding }]);
}
