/** `cox chaos run`: a fault file on a live cluster, watched, measured and reported. */
import { rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { loadFaults } from "../../../shared/faults/language.ts";
import { seededRandom } from "../../../shared/runtime/random.ts";
import { ClusterApi } from "../../chaos/api.ts";
import { type ChaosRecord, isGood } from "../../chaos/record.ts";
import { reportPage } from "../../chaos/report/page.ts";
import { summaryText } from "../../chaos/report/text.ts";
import { ChaosRun } from "../../chaos/run.ts";
import { loadWorkload, NO_WORKLOAD } from "../../chaos/workload.ts";
import { nodesReady } from "../api.ts";
import { withHistory } from "../history/open.ts";
import { UsageError } from "../usage-error.ts";
import { type OpenCluster, withOperator } from "./open.ts";
import { CHAOS_PID, runnerOf } from "./stop.ts";

export interface ChaosFlags {
  readonly data?: string;
  readonly seed: number;
  readonly workload?: string;
  readonly duration: number;
  readonly report?: string;
  readonly ignoreState?: boolean;
}

/** Returns the exit code: 1 when something was broken, or did not come right again. */
export function runChaos(file: string, flags: ChaosFlags): Promise<number> {
  const faults = loadFaults(file);
  const workload = flags.workload === undefined ? NO_WORKLOAD : loadWorkload(flags.workload);
  return withOperator(flags.data, (cluster) =>
    withHistory(flags.data === undefined ? {} : { data: flags.data }, async (history) => {
      const { settings, paths, runtime, operator } = cluster;
      const other = runnerOf(paths);
      if (other !== undefined) throw new UsageError(`A run is under way already (pid ${other}).`);
      if (!flags.ignoreState) await checkNodes(cluster);
      const api = new ClusterApi(paths.data, settings.apiPort);
      const run = new ChaosRun({
        file: basename(file),
        faults,
        workload,
        seed: flags.seed,
        random: seededRandom(flags.seed).stream("chaos"),
        durationMs: flags.duration,
        cluster: {
          runtime: settings.runtime,
          durability: settings.durability,
          nodes: settings.nodes.length,
        },
        runtime,
        operator,
        history,
        api,
        ignoreState: flags.ignoreState ?? false,
        say: (line) => process.stderr.write(`${new Date().toLocaleTimeString("en-GB")} ${line}\n`),
      });
      const pidFile = join(paths.run, CHAOS_PID);
      writeFileSync(pidFile, `${process.pid}\n`);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.on(signal, () => run.abort(`ended by ${signal}`));
      }
      try {
        const record = await run.run();
        write(record, flags.report);
        process.stdout.write(summaryText(record));
        return isGood(record) ? 0 : 1;
      } finally {
        api.close();
        rmSync(pidFile, { force: true });
      }
    }),
  );
}

function write(record: ChaosRecord, report: string | undefined): void {
  if (report === undefined) return;
  writeFileSync(report, reportPage(record));
  writeFileSync(report.replace(/(\.html)?$/, ".json"), `${JSON.stringify(record, null, 1)}\n`);
  process.stderr.write(`report: ${report}\n`);
}

async function checkNodes({ settings, paths }: OpenCluster): Promise<void> {
  const nodes = await nodesReady(paths.data, settings.apiPort);
  const missing = settings.nodes.filter(({ name }) => !nodes?.get(name));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).slice(0, 5);
  throw new UsageError(
    `The cluster is not well: ${missing.length} nodes are not Ready (${names.join(", ")}). ` +
      "Wait, or begin nevertheless with --ignore-state.",
  );
}
