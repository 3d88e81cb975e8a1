import type {
  Deployment,
  DeploymentSpec,
  PodTemplateSpec,
  ReplicaSet,
  ReplicaSetSpec,
} from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { podSpecDefaults } from "./pod.ts";

function templateDefaults(template: PodTemplateSpec): void {
  template.spec ??= { containers: [] };
  podSpecDefaults(template.spec);
}

export function deploymentDefaults(object: KubernetesObject): void {
  const deployment = object as Deployment;
  deployment.spec ??= {} as DeploymentSpec; // what is missing, validation says
  const { spec } = deployment;
  spec.replicas ??= 1;
  spec.template ??= {};
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
  const replicaSet = object as ReplicaSet;
  replicaSet.spec ??= {} as ReplicaSetSpec;
  const { spec } = replicaSet;
  spec.replicas ??= 1;
  spec.template ??= {};
  templateDefaults(spec.template);
}
