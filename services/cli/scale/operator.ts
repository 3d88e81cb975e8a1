/** The operator's connection to a running cluster: for orders to its processes. */
import { existsSync } from "node:fs";
import { NoResponderError } from "../../../shared/actor/bus.ts";
import { sendOrder } from "../../../shared/actor/orders.ts";
import { type ClusterSettings, pathsOf, readSettings } from "../cluster.ts";
import { dataFolder } from "../data-folder.ts";
import { type BusConnection, connectBus } from "../process/bus.ts";
import {
  parseStatus,
  SUPERVISOR,
  type SupervisorOrder,
  type SupervisorStatus,
} from "../supervisor-orders.ts";
import { UsageError } from "../usage-error.ts";
import { OPERATOR_USER } from "../users.ts";

export interface OperatorFlags {
  readonly data?: string;
  readonly nats?: string;
}

const CONNECT_MS = 3_000;
const STATUS_MS = 5_000;

/** Connects as the operator, hands the connection to `use`, and closes it whatever happens. */
export async function withOperatorOf<Result>(
  { data, nats }: OperatorFlags,
  use: (operator: BusConnection) => Promise<Result>,
): Promise<Result> {
  const paths = pathsOf(dataFolder(data));
  const settings: Pick<ClusterSettings, "natsUrl" | "natsPort"> | undefined =
    nats === undefined ? readSettings(paths) : { natsUrl: nats, natsPort: 0 };
  if (settings === undefined) {
    const here = `There is no cluster in ${paths.data}`;
    throw new UsageError(`${here}; name its folder with --data DIR, or a server with --nats URL.`);
  }
  const { credentials } = paths;
  const source = { settings, credentials: existsSync(credentials) ? credentials : undefined };
  const operator = await connectBus(source, "cox", OPERATOR_USER, CONNECT_MS).catch(
    (error: Error) => {
      const hint = nats === undefined ? "\nIs it running? `cox status` says so." : "";
      throw new UsageError(`The cluster cannot be reached: ${error.message}${hint}`);
    },
  );
  try {
    return await use(operator);
  } finally {
    await operator.connection.close();
  }
}

/** Gives an order to the supervisor; undefined when there is none. */
export async function askSupervisor(
  { bus }: BusConnection,
  order: SupervisorOrder,
  timeoutMs = STATUS_MS,
): Promise<SupervisorStatus | undefined> {
  try {
    return parseStatus(await sendOrder(bus, SUPERVISOR, order, timeoutMs));
  } catch (error) {
    if (error instanceof NoResponderError) return undefined;
    throw error;
  }
}
