/** The operator of a running cluster. */
import { liveRuntime } from "../../../shared/runtime/live.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { Operator } from "../../chaos/operator.ts";
import { type ClusterSettings, dataFolder, type Paths, pathsOf, readSettings } from "../cluster.ts";
import { supervisorOf } from "../pids.ts";
import { connectBus } from "../process/bus.ts";
import { UsageError } from "../usage-error.ts";
import { OPERATOR_USER } from "../users.ts";

const CONNECT_MS = 3_000;

export interface OpenCluster {
  readonly settings: ClusterSettings;
  readonly paths: Paths;
  readonly runtime: Runtime;
  readonly operator: Operator;
}

/** Connects to the cluster of a data folder, hands it to `use`, and closes it whatever happens. */
export async function withOperator<Result>(
  data: string | undefined,
  use: (cluster: OpenCluster) => Promise<Result>,
): Promise<Result> {
  const paths = pathsOf(dataFolder(data));
  const settings = readSettings(paths);
  if (settings === undefined || supervisorOf(paths) === undefined) {
    throw new UsageError(`No cluster runs in ${paths.data}; start one with \`cox up\`.`);
  }
  const runtime = liveRuntime();
  const { bus, connection } = await connectBus(
    { settings, credentials: paths.credentials },
    "cox-operator",
    OPERATOR_USER,
    CONNECT_MS,
  );
  try {
    return await use({ settings, paths, runtime, operator: new Operator({ runtime, bus }) });
  } finally {
    await connection.close();
  }
}
