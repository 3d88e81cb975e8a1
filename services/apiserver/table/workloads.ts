import type {
  Deployment,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
} from "../../../shared/api/generated/types.ts";
import { AGE, age, column, NAME, NONE, type Printer, wide } from "./column.ts";

const TEMPLATE_COLUMNS = [
  wide("Containers", "string", "Names of the template's containers."),
  wide("Images", "string", "Images of the template's containers."),
  wide("Selector", "string", "Labels of the pods that belong to it."),
];

export const deployments: Printer<Deployment> = {
  columns: [
    NAME,
    column("Ready", "string", "Ready pods out of those asked for."),
    column("Up-to-date", "string", "Pods of the present template."),
    column("Available", "string", "Pods that have been ready for long enough."),
    AGE,
    ...TEMPLATE_COLUMNS,
  ],
  cells(deployment, now) {
    const { spec, status } = deployment;
    return [
      deployment.metadata.name,
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      age(deployment, now),
      ...templateCells(spec?.template, spec?.selector),
    ];
  },
};

export const replicaSets: Printer<ReplicaSet> = {
  columns: [
    NAME,
    column("Desired", "integer", "Pods asked for."),
    column("Current", "integer", "Pods that exist."),
    column("Ready", "integer", "Pods that are ready."),
    AGE,
    ...TEMPLATE_COLUMNS,
  ],
  cells(replicaSet, now) {
    const { spec, status } = replicaSet;
    return [
      replicaSet.metadata.name,
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(replicaSet, now),
      ...templateCells(spec?.template, spec?.selector),
    ];
  },
};

function templateCells(
  template: PodTemplateSpec | undefined,
  selector: LabelSelector | undefined,
): [string, string, string] {
  const containers = template?.spec?.containers ?? [];
  return [
    containers.map(({ name }) => name).join(","),
    containers.map(({ image }) => image ?? "").join(","),
    formatSelector(selector),
  ];
}

/** A selector as kubectl shows it: `app=web,tier in (a,b),!old`, sorted by key. */
export function formatSelector(selector: LabelSelector | undefined): string {
  const terms: [key: string, term: string][] = [];
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    terms.push([key, `${key}=${value}`]);
  }
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    terms.push([key, formatExpression(key, operator, values)]);
  }
  terms.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  return terms.map(([, term]) => term).join(",") || NONE;
}

function formatExpression(key: string, operator: string, values: readonly string[]): string {
  const list = `(${[...values].sort().join(",")})`;
  switch (operator) {
    case "In":
      return `${key} in ${list}`;
    case "NotIn":
      return `${key} notin ${list}`;
    case "DoesNotExist":
      return `!${key}`;
    default:
      return key;
  }
}
