/** The commands that break a running cluster on purpose. Each loads what it needs when it runs. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../../shared/faults/duration.ts";
import type { FaultSpec } from "../../chaos/process/spec.ts";
import { addChaosRun } from "./run-command.ts";

interface StrikeFlags {
  readonly data?: string;
  readonly all?: boolean;
}

interface FaultFlags extends StrikeFlags {
  readonly for: number;
  readonly from: "log" | "nodes" | "all";
  readonly by: number;
  readonly share: number;
}

const TARGET = "an actor, a node or nats-server; apiserver/2 for its second replica";

export function addChaosCommands(program: Command): void {
  striking(program, "kill")
    .description("kill a process at once (SIGKILL); its supervisor starts it again")
    .option("--down <time>", "leave it down for so long", milliseconds, 0)
    .action(async (target: string, flags: StrikeFlags & { down: number }) => {
      const { kill } = await import("./strike.ts");
      await kill(target, flags);
    });
  lasting(program, "pause")
    .description("stop a process in the middle of what it does (SIGSTOP), for a time")
    .action(async (target: string, flags: FaultFlags) => {
      const { pause } = await import("./strike.ts");
      await pause(target, flags);
    });
  striking(program, "resume")
    .description("let a paused process go on, and heal its faults")
    .action(async (target: string, flags: StrikeFlags) => {
      const { resume } = await import("./strike.ts");
      await resume(target, flags);
    });
  addFault(
    lasting(program, "partition")
      .description("cut a process off the log, or off the other processes")
      .addOption(
        new Option("--from <what>", "what it is cut off from")
          .choices(["log", "nodes", "all"])
          .default("all"),
      ),
    ({ from }) => ({ kind: "partition", from, send: true, receive: true }),
  );
  addFault(
    lasting(program, "slow")
      .description("make what a process sends arrive late")
      .option("--by <time>", "by so much", milliseconds, 200),
    ({ by }) => ({ kind: "slow", ms: [by, by] }),
  );
  addFault(
    lasting(program, "lag")
      .description("make a process read the log late: it decides on stale state")
      .option("--by <time>", "by so much", milliseconds, 1_000),
    ({ by }) => ({ kind: "lag", ms: [by, by], probability: 1 }),
  );
  addFault(
    lasting(program, "drop")
      .description("lose some of what a process sends")
      .option("--share <0..1>", "how much of it", share, 0.2),
    ({ share: probability }) => ({ kind: "drop", probability }),
  );
  addChaosRun(program);
}

function striking(program: Command, name: string): Command {
  return program
    .command(name)
    .argument("<target>", TARGET)
    .option("--data <dir>", "data folder (default: $COX_DATA, else .cox)")
    .option("--all", "every replica (default: the first)");
}

function lasting(program: Command, name: string): Command {
  return striking(program, name).option("--for <time>", "for so long", milliseconds, 10_000);
}

function addFault(command: Command, specOf: (flags: FaultFlags) => FaultSpec): void {
  command.action(async (target: string, flags: FaultFlags) => {
    const { fault } = await import("./strike.ts");
    await fault(target, specOf(flags), command.name(), flags);
  });
}

export function milliseconds(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 0) return ms;
  throw new InvalidArgumentError("It takes a duration such as 250ms, 5s or 2m.");
}

function share(text: string): number {
  const number = Number(text);
  if (text !== "" && number >= 0 && number <= 1) return number;
  throw new InvalidArgumentError("It takes a number from 0 to 1.");
}
