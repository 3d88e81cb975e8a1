/**
 * The program that decides a history again with other actors than its parent's: the walk through it
 * comes on the standard input (messages.ts), the report goes to the standard output.
 */
import { createInterface } from "node:readline";
import { liveRuntime } from "../../shared/runtime/live.ts";
import type { Version } from "../../shared/store/store.ts";
import { ACTORS } from "./actors.ts";
import { CHANGE } from "./change.ts";
import { Decider } from "./decider.ts";
import { type Message, versionOf } from "./messages.ts";
import { Tallies } from "./tally.ts";

const tallies = new Tallies();
const decider = new Decider(liveRuntime(), changed(), (verdict) => tallies.add(verdict));
const versions: Version[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  take(JSON.parse(line) as Message);
}

function take(message: Message): void {
  if ("state" in message) versions.push(versionOf(message.state));
  else if ("begin" in message) {
    decider.begin({ ...message.begin, versions });
    versions.length = 0;
  } else if ("version" in message) decider.version(versionOf(message.version));
  else if ("due" in message) decider.decision(message.due);
  else {
    const { revisions, unrecorded } = message.end;
    const report = tallies.with({ revisions, unrecorded: new Map(unrecorded) });
    process.stdout.write(JSON.stringify(report));
  }
}

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
