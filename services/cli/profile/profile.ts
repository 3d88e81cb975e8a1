import { writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Bus } from "../../../shared/actor/bus.ts";
import { PROFILE_MS_MAX, sendOrder } from "../../../shared/actor/orders.ts";
import { durationText } from "../../../shared/faults/duration.ts";
import { select } from "../../chaos/operator.ts";
import { withOperator } from "../chaos/open.ts";
import { UsageError } from "../usage-error.ts";
import type { ProfileFlags } from "./commands.ts";
import { type CpuProfile, drawFlames, frameTree, selfTimes } from "./flame.ts";

/** Beside the time that the profile takes. */
const ANSWER_MS = 20_000;
const ROWS = 20;

/** Prints in which functions the time went, and writes the file that was asked for. */
export async function profile(text: string, flags: ProfileFlags): Promise<void> {
  const { data, for: forMs, output } = flags;
  if (forMs < 1 || forMs > PROFILE_MS_MAX) throw new UsageError("--for takes at most 60s");
  if (output !== undefined && !/\.(svg|cpuprofile)$/.test(output)) {
    throw new UsageError("-o takes a file that ends in .svg or .cpuprofile");
  }
  await withOperator(data, async ({ operator, bus }) => {
    const [target] = select(await operator.targets(), text);
    if (target === undefined) return;
    if (target.name === "nats-server") throw new UsageError("nats-server cannot be profiled");
    process.stderr.write(`profiling ${target.name} for ${durationText(forMs)} ...\n`);
    const json = await profileOf(bus, target.name, forMs);
    const root = frameTree(JSON.parse(json) as CpuProfile);
    const percent = (root.total / 1000 / forMs) * 100;
    const busy = `busy ${percent.toFixed(0)} % of ${durationText(forMs)}`;
    if (output?.endsWith(".svg")) writeFileSync(output, drawFlames(root, target.name, busy));
    else if (output !== undefined) writeFileSync(output, json);
    const rows = selfTimes(root).slice(0, ROWS);
    const lines = rows.map(
      ({ name, share }) => `${(share * 100).toFixed(1).padStart(6)} %  ${name}`,
    );
    process.stdout.write(`${target.name}, ${busy}\n${lines.join("\n")}\n`);
  });
}

/** The JSON of the CPU profile of a process. */
export async function profileOf(
  bus: Pick<Bus, "request">,
  name: string,
  forMs: number,
): Promise<string> {
  const answer = await sendOrder(bus, name, { type: "profile", forMs }, forMs + ANSWER_MS);
  return gunzipSync(Buffer.from(answer as string, "base64")).toString();
}
