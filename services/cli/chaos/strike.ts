/** `cox kill`, `pause`, `resume`, `partition`, `slow`, `lag`, `drop`: one fault, now. */
import { durationText } from "../../../shared/faults/duration.ts";
import { select, type Target } from "../../chaos/operator.ts";
import type { FaultSpec } from "../../chaos/process/spec.ts";
import { type OpenCluster, withOperator } from "./open.ts";

interface Flags {
  readonly data?: string;
  readonly all?: boolean;
}

/** Strikes the first replica, or all. */
function strike(
  text: string,
  { data, all }: Flags,
  each: (target: Target, cluster: OpenCluster) => Promise<string>,
): Promise<void> {
  return withOperator(data, async (cluster) => {
    const chosen = select(await cluster.operator.targets(), text);
    for (const target of all ? chosen : chosen.slice(0, 1)) {
      process.stdout.write(`${await each(target, cluster)}\n`);
    }
  });
}

export function kill(text: string, flags: Flags & { readonly down: number }): Promise<void> {
  return strike(text, flags, async ({ name }, { operator }) => {
    const { pid } = await operator.kill(name, flags.down);
    const again = flags.down === 0 ? "at once" : `after ${durationText(flags.down)}`;
    return `${name} (pid ${pid}) killed; it is started again ${again}`;
  });
}

export function pause(text: string, flags: Flags & { readonly for: number }): Promise<void> {
  return strike(text, flags, async ({ name }, { operator }) => {
    const { pid, at } = await operator.pause(name, flags.for);
    return `${name} (pid ${pid}) paused until ${clock(at + flags.for)}`;
  });
}

export function resume(text: string, flags: Flags): Promise<void> {
  return strike(text, flags, async ({ name, paused }, { operator }) => {
    if (paused) await operator.resume(name);
    if (name !== "nats-server") await operator.heal(name);
    return paused ? `${name} goes on` : `${name} was not paused; its faults are healed`;
  });
}

export function fault(
  text: string,
  spec: FaultSpec,
  id: string,
  flags: Flags & { readonly for: number },
): Promise<void> {
  return strike(text, flags, async ({ name }, { operator, runtime }) => {
    await operator.fault(name, id, flags.for, spec);
    const until = clock(runtime.clock.now() + flags.for);
    return `${name}: ${describe(spec)} until ${until}; \`cox resume ${name}\` ends it`;
  });
}

function describe(spec: FaultSpec): string {
  if (spec.kind === "partition") return `cut off from ${FROM[spec.from]}`;
  if (spec.kind === "slow") return `sends ${durationText(spec.ms[1])} late`;
  if (spec.kind === "lag") return `reads the log ${durationText(spec.ms[1])} late`;
  if (spec.kind === "drop") return `loses ${Math.round(spec.probability * 100)} % of what it sends`;
  return spec.kind;
}

const FROM = {
  log: "the log",
  nodes: "the other processes",
  all: "the log and the other processes",
} as const;

function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}
