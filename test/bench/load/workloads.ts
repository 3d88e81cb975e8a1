/** Everything that can be measured, in the order of measuring. */
import { CONFIG_MAPS, LARGE_PODS } from "./bodies.ts";
import { DEPLOYMENTS } from "./deployments.ts";
import { Objects } from "./objects.ts";
import { PODS } from "./pods.ts";
import type { Workload } from "./side.ts";
import { RECOVERY, UPKEEP } from "./upkeep.ts";
import { WATCHES } from "./watchers.ts";

const REFERENCES = { create: 2_200, get: 6_300, "merge patch": 2_000, delete: 2_000 };

export const WORKLOADS: readonly Workload[] = [
  ...UPKEEP,
  ...new Objects(CONFIG_MAPS, REFERENCES).workloads("configmaps"),
  ...new Objects(LARGE_PODS).workloads("large"),
  ...WATCHES,
  ...DEPLOYMENTS,
  ...PODS,
  RECOVERY,
];

/**
 * Without names all but the long ones and the kills. A name is that of workloads (`create`), of a
 * group (`watch`) or both (`large/create`). @throws Error on a name that there is not
 */
export function choose(names: readonly string[], kill: boolean): Workload[] {
  const matches = ({ group, name }: Workload, wanted: string): boolean =>
    [name, group, `${group}/${name}`, "all"].includes(wanted);
  for (const wanted of names) {
    if (WORKLOADS.some((each) => matches(each, wanted))) continue;
    throw new Error(`no workload "${wanted}"; there are:\n${workloadList()}`);
  }
  const chosen = WORKLOADS.filter((each) =>
    names.length === 0 ? each.long !== true : names.some((wanted) => matches(each, wanted)),
  );
  return chosen.filter((each) => kill || each !== RECOVERY);
}

export function workloadList(): string {
  const groups = new Map<string, string[]>();
  for (const { group, name, long } of WORKLOADS) {
    groups.set(group, [...(groups.get(group) ?? []), long === true ? `${name}*` : name]);
  }
  return [...groups].map(([group, names]) => `  ${group}: ${names.join(" ")}`).join("\n");
}
