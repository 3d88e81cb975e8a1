import type { KindTable } from "../../../shared/api/schema.ts";
import type { RequestLabels } from "./metrics.ts";
import type { Route } from "./path.ts";

const METRIC_VERBS: Readonly<Record<string, string>> = {
  create: "POST",
  update: "PUT",
  deletecollection: "DELETECOLLECTION",
};

/** Of what does not exist: it counts as one, so that clients cannot make up series. */
export const NO_LABELS: RequestLabels = {
  verb: "",
  group: "",
  version: "",
  resource: "",
  subresource: "",
  scope: "",
  dryRun: "",
};

const ofPaths = new Map<string, RequestLabels>();
const ofTables = new Map<KindTable, Map<string, RequestLabels>>();

/** What a request is counted under: the same object for all requests of one series. */
export function labelsOf(route: Route, query: URLSearchParams): RequestLabels {
  if (route.type === "unknown") return NO_LABELS;
  if (route.type === "path") {
    return remembered(ofPaths, route.verb, () => ({
      ...NO_LABELS,
      verb: route.verb.toUpperCase(),
    }));
  }
  const { table, verb, namespace, name } = route;
  const subresource = route.subresource?.name ?? "";
  const scope = name !== "" ? "resource" : namespace !== "" ? "namespace" : "cluster";
  const dryRun = query.get("dryRun") === "All" ? "All" : "";
  const tables = remembered(ofTables, table, () => new Map<string, RequestLabels>());
  return remembered(tables, `${verb} ${subresource} ${scope} ${dryRun}`, () => ({
    verb: METRIC_VERBS[verb] ?? verb.toUpperCase(),
    group: table.group,
    version: table.version,
    resource: table.plural,
    subresource,
    scope,
    dryRun,
  }));
}

function remembered<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
