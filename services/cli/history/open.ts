/** Where the questions about the past are asked: a running cluster, or a file of its history. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../../nats/connect.ts";
import { openHistory } from "../../../nats/history.ts";
import type { History } from "../../../shared/log/history.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { type Paths, pathsOf, readSettings } from "../cluster.ts";
import { dataFolder } from "../data-folder.ts";
import { serverOf } from "../process/bus.ts";
import { UsageError } from "../usage-error.ts";
import { IMPORTED, readRecording } from "./recording-file.ts";

/** Options of every command that reads the past. */
export interface SourceFlags {
  readonly data?: string;
  readonly nats?: string;
  readonly log?: string;
}

const CONNECT_MS = 3_000;
const READER = "reader";

/** Opens the past, hands it to `use`, and closes it whatever happens. */
export async function withHistory<Result>(
  flags: SourceFlags,
  use: (history: History) => Promise<Result>,
): Promise<Result> {
  const history = await open(flags);
  try {
    return await use(history);
  } finally {
    await history.close();
  }
}

async function open({ data, nats, log }: SourceFlags): Promise<History> {
  if (log !== undefined) return (await readRecording(log)).history;
  const paths = pathsOf(dataFolder(data));
  if (nats !== undefined) return connectTo({ natsUrl: nats, natsPort: 0 }, "");
  const settings = readSettings(paths);
  if (settings === undefined) {
    const imported = join(paths.data, IMPORTED);
    if (existsSync(imported)) return (await readRecording(imported)).history;
    const here = `There is no cluster in ${paths.data}`;
    throw new UsageError(`${here}; name its folder with --data DIR, or a server with --nats URL.`);
  }
  return connectTo(settings, passwordOf(paths)).catch((error: Error) => {
    throw new UsageError(
      `The log of the cluster in ${paths.data} cannot be reached: ${error.message}\n` +
        `Is it running? \`cox status --data ${paths.data}\` says so, \`cox up\` starts it.`,
    );
  });
}

async function connectTo(server: Parameters<typeof serverOf>[0], password: string) {
  const { url, login } = serverOf(server);
  const user = login ?? { user: READER, password };
  const options = { url, name: "cox-history", timeoutMs: CONNECT_MS, ...user };
  return openHistory(await connect(options), liveRuntime());
}

function passwordOf({ credentials }: Paths): string {
  if (!existsSync(credentials)) return "";
  const { passwords } = JSON.parse(readFileSync(credentials, "utf8")) as {
    passwords: Record<string, string>;
  };
  const password = passwords[READER];
  if (password !== undefined) return password;
  throw new UsageError(
    "This cluster was last started by a version that has no user for reading its history; " +
      "start it again with `cox up`.",
  );
}
