import { createHash } from "node:crypto";
import type { Container, EphemeralContainer, Pod } from "../../../shared/api/generated/types.ts";

/** An init container that keeps running beside the others: a sidecar. */
export function isRestartableInit(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** `name_namespace(uid)`, as upstream names a pod in messages. */
export function podTitle(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;
}

/** Changes when the container must be replaced by a new one: its image was changed in place. */
export function containerHash(container: Container | EphemeralContainer): string {
  const text = JSON.stringify([container.name, container.image ?? ""]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

export type ContainerKind = "init" | "sidecar" | "app" | "ephemeral";

export interface NamedContainer {
  readonly kind: ContainerKind;
  readonly spec: Container;
  /** `spec.containers{web}`, for events. */
  readonly fieldPath: string;
}

/** All containers of the pod in the order in which they start. */
export function podContainers(pod: Pod): NamedContainer[] {
  const list = (
    specs: readonly Container[] | undefined,
    field: string,
    kind: (spec: Container) => ContainerKind,
  ): NamedContainer[] =>
    (specs ?? []).map((spec) => ({
      kind: kind(spec),
      spec,
      fieldPath: `spec.${field}{${spec.name}}`,
    }));
  return [
    ...list(pod.spec?.initContainers, "initContainers", (spec) =>
      isRestartableInit(spec) ? "sidecar" : "init",
    ),
    ...list(pod.spec?.containers, "containers", () => "app"),
    ...list(
      pod.spec?.ephemeralContainers as readonly Container[] | undefined,
      "ephemeralContainers",
      () => "ephemeral",
    ),
  ];
}

/** Whether a container that ended is to run again, by its own and the pod's restart policy. */
export function restartsAfter(pod: Pod, { kind, spec }: NamedContainer, exitCode: number): boolean {
  if (kind === "ephemeral") return false;
  if (kind === "sidecar") return true;
  for (const rule of spec.restartPolicyRules ?? []) {
    const codes = rule.exitCodes;
    const listed = codes?.values?.includes(exitCode) ?? false;
    if (codes && listed === (codes.operator === "In") && rule.action === "Restart") return true;
  }
  const policy = spec.restartPolicy ?? pod.spec?.restartPolicy ?? "Always";
  if (policy === "Never") return false;
  if (exitCode === 0) return policy === "Always" && kind !== "init";
  return true;
}
