import type { Deployment, PodTemplateSpec, ReplicaSet } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { podSpecDefaults } from "./pod.ts";

export function templateDefaults(template: PodTemplateSpec | undefined): void {
  if (template?.spec) podSpecDefaults(template.spec);
}

export function deploymentDefaults(object: KubernetesObject): void {
  const { spec } = object as Deployment;
  if (!spec) return;
  spec.replicas ??= 1;
  templateDefaults(spec.template);
  spec.strategy ??= {};
  const { strategy } = spec;
  strategy.type ||= "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= "25%";
    strategy.rollingUpdate.maxSurge ??= "25%";
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
}

export function replicaSetDefaults(object: KubernetesObject): void {
  const { spec } = object as ReplicaSet;
  if (!spec) return;
  spec.replicas ??= 1;
  templateDefaults(spec.template);
}
