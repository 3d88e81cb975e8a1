/** `cox actors`: every replica of every actor, where it runs and how it does. */
import { logHeads } from "../../../nats/heads.ts";
import { type ProcessState, parseProcessState, sendToEvery } from "../../../shared/actor/orders.ts";
import { liveRuntime } from "../../../shared/runtime/live.ts";
import { aligned } from "../history/text.ts";
import type { BusConnection } from "../process/bus.ts";
import { NATS_SERVER } from "../supervisor.ts";
import type { ActorsFlags } from "./commands.ts";
import { askSupervisor, withOperatorOf } from "./operator.ts";
import { type ActorRow, actorRows, type Sample } from "./rows.ts";

/** A process that does not answer so long is shown without figures. */
const ANSWER_MS = 1_000;
/** Between two looks: rates are what happened between them. */
const BETWEEN_MS = 500;
const REFRESH_MS = 1_000;
const CLEAR = "\u001b[H\u001b[J";

export async function showActors({ watch, output, ...flags }: ActorsFlags): Promise<void> {
  await withOperatorOf(flags, async (operator) => {
    let before = await sample(operator);
    let pause = BETWEEN_MS;
    do {
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = REFRESH_MS;
      const now = await sample(operator);
      const rows = actorRows(before, now);
      before = now;
      const clear = watch && process.stdout.isTTY ? CLEAR : "";
      const text = output === "json" ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows);
      process.stdout.write(clear + text);
    } while (watch);
  });
}

/** What all processes and their logs say at one moment. */
export async function sample(operator: BusConnection): Promise<Sample> {
  const supervisor = await askSupervisor(operator, { type: "status" });
  const runtime = liveRuntime();
  const expected = supervisor?.processes.filter(({ name }) => name !== NATS_SERVER).length;
  const order = { type: "state", keys: true } as const;
  const { bus } = operator;
  const [heads, answers] = await Promise.all([
    logHeads(operator.connection),
    sendToEvery({ bus, runtime }, order, ANSWER_MS, expected),
  ]);
  const states: ProcessState[] = answers.map(parseProcessState);
  return { heads, states, ...(supervisor && { supervisor }) };
}

const COLUMNS: readonly [title: string, cell: (row: ActorRow) => string | number | undefined][] = [
  ["ACTOR", ({ actor }) => actor],
  ["PROCESS", ({ process }) => process],
  ["PID", ({ pid }) => pid],
  ["KEYS", ({ keys }) => keys],
  ["REVISION", ({ revision }) => revision],
  ["LAG", ({ lag }) => lag],
  ["QUEUE", ({ queued }) => queued],
  ["PASSES/S", ({ passesPerSecond }) => rounded(passesPerSecond)],
  ["REFUSED/S", ({ refusedPerSecond }) => rounded(refusedPerSecond)],
  ["RESTARTS", ({ restarts }) => restarts],
  ["MEMORY", ({ memoryBytes }) => memoryBytes && `${Math.round(memoryBytes / 2 ** 20)}M`],
  ["STATE", (row) => stateText(row)],
];

export function tableOf(rows: readonly ActorRow[]): string {
  const titles = COLUMNS.map(([title]) => title);
  const cells = rows.map((row) => COLUMNS.map(([, cell]) => String(cell(row) ?? "-")));
  return `${aligned([titles, ...cells]).join("\n")}\n`;
}

function stateText({ pid, answers, faults }: ActorRow): string {
  if (pid === undefined) return "not running";
  if (!answers) return "no answer";
  return faults.length === 0 ? "ok" : `faults: ${faults.join(", ")}`;
}

function rounded(rate: number | undefined): string | undefined {
  if (rate === undefined) return undefined;
  return rate > 0 && rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}
