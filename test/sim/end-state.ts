import { isReady } from "../../services/verify/pods.ts";
import type { ClusterState } from "../../services/verify/state.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

/**
 * The state without what may differ between two runs that end alike: names that follow from
 * revisions, times, the ReplicaSets of versions that nobody saw. One line per thing.
 */
export function endState(state: ClusterState): string[] {
  return [
    ...state.list("namespaces").map(({ metadata, status }) => {
      return `namespace ${metadata.name} ${status?.phase ?? ""}`;
    }),
    ...state.list("nodes").map(nodeLine),
    ...state.list("deployments.apps").flatMap((deployment) => deploymentLines(deployment, state)),
    ...state.list("services").map((service) => serviceLine(service, state)),
    ...state.list("serviceaccounts").map(plainLine),
    ...state.list("configmaps").map(plainLine),
    ...state
      .list("pods")
      .filter((pod) => state.owner(pod) === undefined)
      .map(plainLine),
  ].sort();
}

/** Lines of an end state that tell of something that is not as its user wants it. */
export function unhealthyLines(lines: readonly string[]): string[] {
  return lines.filter((line) => {
    const wants = /wants=(\d+)/.exec(line)?.[1];
    const counts = [...line.matchAll(/(?:replicas|Replicas|pods|ready)=(\d+)/g)];
    if (counts.some(([, count]) => count !== wants)) return true;
    return /settled=false| ending|Ready=(?!True)|taints=.|without an address/.test(line);
  });
}

function plainLine({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace}/${metadata.name}`;
}

function nodeLine({ metadata, spec, status }: KubernetesObject): string {
  const conditions: { type: string; status: string }[] = status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready")?.status;
  const taints: { key: string; effect: string }[] = spec?.taints ?? [];
  const names = taints.map(({ key, effect }) => `${key}:${effect}`).sort();
  return `node ${metadata.name} Ready=${ready} taints=${names.join(",")}`;
}

function deploymentLines(deployment: KubernetesObject, state: ClusterState): string[] {
  const { metadata, spec, status } = deployment;
  const name = `deployment ${metadata.namespace}/${metadata.name}`;
  const settled = status?.observedGeneration === metadata.generation;
  const counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].map(
    (count) => `${count}=${status?.[count] ?? 0}`,
  );
  const ending = metadata.deletionTimestamp ? " ending" : "";
  const lines = [`${name} wants=${spec.replicas} settled=${settled} ${counts.join(" ")}${ending}`];
  for (const replicaSet of state.ownedBy(metadata.uid as string)) {
    const pods = state.ownedBy(replicaSet.metadata.uid as string);
    const wants: number = replicaSet["spec"].replicas;
    if (wants === 0 && pods.length === 0) continue;
    const [main] = replicaSet["spec"].template.spec.containers;
    const ready = pods.filter(isReady).length;
    lines.push(`${name} ${main.image} wants=${wants} pods=${pods.length} ready=${ready}`);
  }
  return lines;
}

function serviceLine(service: KubernetesObject, state: ClusterState): string {
  const { metadata, spec } = service;
  const slices = state.ownedBy(metadata.uid as string).filter(({ kind }) => {
    return kind === "EndpointSlice";
  });
  const endpoints: { addresses: string[]; conditions?: { ready?: boolean } }[] = slices.flatMap(
    (slice) => slice["endpoints"] ?? [],
  );
  const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false);
  const addresses = new Set(ready.flatMap((endpoint) => endpoint.addresses));
  const address = spec.clusterIP ? "with an address" : "without an address";
  const name = `service ${metadata.namespace}/${metadata.name}`;
  return `${name} ${address}, ${ready.length} ready endpoints, ${addresses.size} addresses`;
}
