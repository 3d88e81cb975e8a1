/**
 * A cluster under load, alone or beside other API servers: objects, lists, watches, pods,
 * Deployments, start-up, memory, CPU. Prints only. Clusters of its own are removed afterwards.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type Ceiling, measureCeiling, SERVE_BARE, serveBare } from "./load/ceiling.ts";
import { contender, ofCheckout, SPEC_USAGE } from "./load/contenders.ts";
import { obeyOrders, PLAY } from "./load/player.ts";
import { format, Report } from "./load/report.ts";
import { Rounds } from "./load/rounds.ts";
import { markdownTable, textTable } from "./load/tables.ts";
import { choose, workloadList } from "./load/workloads.ts";

const USAGE = `npm run bench -- compare [options]
  --against SPEC      another API server to measure beside it; repeatable
  --own SPEC          instead of the clusters that this program starts from this checkout
  --only A,B,...      these workloads, groups or both (below); "all" for everything
  --rounds N          repeats everything and prints the medians (1)
  --quick             fewer objects and pods; under a minute for one cluster
  --played            nodes are played on every server, also where they could be simulated
  --no-pause          the others go on while one is measured; else they are stopped if their
                      pids are known
  --kill              also the recovery of a cluster of its own after kill -9
  --durability relaxed of the clusters that it starts itself
  --json FILE, --markdown FILE   also write the figures there
A SPEC is
  ${SPEC_USAGE}
Workloads by group (* only when named)
${workloadList()}
`;

const { values: given } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== PLAY && each !== SERVE_BARE),
  allowNegative: true,
  options: {
    against: { type: "string", multiple: true, default: [] },
    own: { type: "string" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "1" },
    quick: { type: "boolean", default: false },
    played: { type: "boolean", default: false },
    pause: { type: "boolean", default: true },
    kill: { type: "boolean", default: false },
    durability: { type: "string", default: "strict" },
    json: { type: "string" },
    markdown: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const LIMITS = {
  full: { quick: false, durationMs: 4_000, mostMs: 30_000 },
  quick: { quick: true, durationMs: 1_000, mostMs: 10_000 },
};

if (process.argv[2] === SERVE_BARE) serveBare();
else if (process.argv[2] === PLAY) obeyOrders();
else if (given.help) console.info(USAGE);
else await main();

async function main(): Promise<void> {
  const workloads = choose(given.only.split(",").filter(Boolean), given.kill);
  const { durability, played } = given;
  const settings = { durability, played };
  const own = given.own
    ? contender(given.own, settings)
    : ofCheckout("coxswain", process.cwd(), settings);
  const contenders = [own, ...given.against.map((spec) => contender(spec, settings))];
  const names = contenders.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw new Error(`each needs a name= of its own: ${names}`);
  const report = new Report(contenders);
  const plan = {
    ...{ contenders, workloads, rounds: Number(given.rounds), pause: given.pause },
    limits: given.quick ? LIMITS.quick : LIMITS.full,
  };
  const [load = 0] = loadavg();
  const ceilings = await measureCeiling();
  for (const ceiling of ceilings) console.info(`ceiling, ${ceilingText(ceiling)}`);
  const rounds = new Rounds(plan, report);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void rounds.end().finally(() => process.exit(1)));
  }
  await rounds.run();
  write(report, rounds, ceilings, load);
  process.exit();
}

function write(report: Report, rounds: Rounds, ceilings: readonly Ceiling[], load: number): void {
  const { length: cores } = cpus();
  const date = new Date().toISOString().slice(0, 10);
  const paused = given.pause ? "stopped where their pids are known" : "running idle";
  const about = [
    ...[...rounds.descriptions].map(([name, description]) => `${name}: ${description}.`),
    `${date}, ${cores} cores, load average before: ${load.toFixed(1)}, Node ${process.version}, ` +
      `${given.rounds} round(s)${given.quick ? ", --quick" : ""}.`,
    "Load generator: one process on the same machine, 32 TLS connections, one request each.",
    ...(report.sides.length > 1 ? [`While one is measured, the others are ${paused}.`] : []),
    ...ceilings.map(
      (each) => `Ceiling of the generator with a bare Node server: ${ceilingText(each)}.`,
    ),
    ...rounds.failures.map((failure) => `NOT MEASURED: ${failure}`),
  ];
  const tables = [report.figures(), report.costs()];
  console.info(`\n${[...tables.map(textTable), about.join("\n")].join("\n\n")}`);
  if (given.markdown !== undefined) {
    const list = about.map((line) => `* ${line}`).join("\n");
    writeFileSync(given.markdown, `${[list, ...tables.map(markdownTable)].join("\n\n")}\n`);
  }
  if (given.json !== undefined) {
    const sides = Object.fromEntries(rounds.descriptions);
    const { failures } = rounds;
    const machine = { cores, load, node: process.version, date, quick: given.quick };
    writeFileSync(given.json, report.json({ machine, sides, ceilings, failures }));
  }
}

function ceilingText({ what, perSecond, cpuMicros }: Ceiling): string {
  return `${what} ${format(perSecond)}/s, ${format(cpuMicros)} µs of its CPU each`;
}
