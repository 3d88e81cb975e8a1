/**
 * The program that decides a history again with other actors than its parent's: the history comes
 * as a recording on the standard input, the report goes to the standard output.
 */
import { createInterface } from "node:readline";
import { RecordingReader } from "../../shared/log/recording.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { ACTORS } from "./actors.ts";
import { CHANGE } from "./change.ts";
import { reportOf } from "./replay.ts";

const runtime = liveRuntime();
const [actor] = process.argv.slice(2);
const reader = new RecordingReader(runtime);
for await (const line of createInterface({ input: process.stdin })) reader.line(line);
const { head, history } = reader.finish();
const report = await reportOf({
  history,
  runtime,
  ...head.logs.cluster,
  ...(actor !== undefined && { actor }),
  actors: changed(),
});
process.stdout.write(JSON.stringify(report));

/** The actors, with what the module exports in the place of those of the same name. */
function changed(): typeof ACTORS {
  const { controllers: others = [], ...rest } = CHANGE;
  const all = typeof others === "function" ? others : () => others;
  return {
    ...ACTORS,
    ...rest,
    controllers: (settings) => {
      const theirs = all(settings);
      const names = new Set(theirs.map(({ name }) => name));
      const ours = ACTORS.controllers(settings).filter(({ name }) => !names.has(name));
      return [...ours, ...theirs];
    },
  };
}
