/** The operator of a running cluster. */
import type { Bus } from "../../../shared/actor/bus.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { Operator } from "../../chaos/operator.ts";
import { type ClusterSettings, type Paths, pathsOf, readSettings } from "../cluster.ts";
import { dataFolder } from "../data-folder.ts";
import { supervisorOf } from "../pids.ts";
import { withOperatorOf } from "../scale/operator.ts";
import { UsageError } from "../usage-error.ts";

export interface OpenCluster {
  readonly settings: ClusterSettings;
  readonly paths: Paths;
  readonly runtime: Runtime;
  readonly operator: Operator;
  readonly bus: Bus;
}

/** Connects to the cluster of a data folder, hands it to `use`, and closes it whatever happens. */
export function withOperator<Result>(
  data: string | undefined,
  use: (cluster: OpenCluster) => Promise<Result>,
): Promise<Result> {
  const paths = pathsOf(dataFolder(data));
  const settings = readSettings(paths);
  if (settings === undefined || supervisorOf(paths) === undefined) {
    throw new UsageError(`No cluster runs in ${paths.data}; start one with \`cox up\`.`);
  }
  const runtime = liveRuntime();
  return withOperatorOf({ data: paths.data }, ({ bus }) =>
    use({ settings, paths, runtime, bus, operator: new Operator({ runtime, bus }) }),
  );
}
