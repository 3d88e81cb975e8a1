/** The commands that change and show the replicas of actors. Each loads what it needs. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Bounds, GROUPINGS, type Grouping } from "../cluster.ts";
import type { OperatorFlags } from "./operator.ts";

/** What `actor=n` and `actor=a..b` ask for. */
export interface Asked {
  readonly replicas: Readonly<Record<string, number>>;
  readonly autoscale: Readonly<Record<string, Bounds>>;
}

/** Adds the options that say whose processes are meant. */
export function withOperator(command: Command): Command {
  return command
    .addOption(new Option("--data <dir>", "data folder (default: $COX_DATA, else .cox)"))
    .option("--nats <url>", "the NATS server of a cluster (nats://user:password@host:port)");
}

export function groupingOption(): Option {
  const text = "few processes, or one for each replica of each actor (default: packed)";
  return new Option("--grouping <kind>", text).choices(GROUPINGS);
}

export function addScaleCommands(program: Command): void {
  withOperator(program.command("scale"))
    .description("change how many replicas of actors run, while they run")
    .argument(
      "[actor=n...]",
      "e.g. scheduler=3 deployment=1..4: a number, or bounds to follow load",
    )
    .addOption(groupingOption())
    .option("-w, --watch", "show the actors afterwards, again and again")
    .action(async (words: string[], flags: ScaleFlags) => {
      const { scaleActors } = await import("./scale.ts");
      await scaleActors(askedFor(words), flags);
    });
  withOperator(program.command("actors"))
    .description("every replica of every actor, and how it does")
    .option("-w, --watch", "again and again")
    .addOption(new Option("-o, --output <format>").choices(["text", "json"]).default("text"))
    .action(async (flags: ActorsFlags) => {
      const { showActors } = await import("./actors.ts");
      await showActors(flags);
    });
}

export interface ScaleFlags extends OperatorFlags {
  readonly grouping?: Grouping;
  readonly watch?: boolean;
}

export interface ActorsFlags extends OperatorFlags {
  readonly watch?: boolean;
  readonly output: "text" | "json";
}

/** @throws InvalidArgumentError when a word is of neither form. */
export function askedFor(words: readonly string[]): Asked {
  const replicas: Record<string, number> = {};
  const autoscale: Record<string, Bounds> = {};
  for (const word of words.flatMap((each) => each.split(","))) {
    const match = /^([a-z-]+)=(?:(\d\d?)|([1-9]\d?)\.\.([1-9]\d?))$/.exec(word);
    if (match === null) {
      const forms = "actor=n or actor=n..m with numbers from 1 to 99";
      throw new InvalidArgumentError(`"${word}" is not of the form ${forms}.`);
    }
    const [, actor = "", count, low, high] = match;
    if (count !== undefined) replicas[actor] = Number(count);
    else autoscale[actor] = { min: Number(low), max: Number(high) };
    if (Number(low) > Number(high)) {
      throw new InvalidArgumentError(`"${word}" has its lower bound above the upper one.`);
    }
  }
  return { replicas, autoscale };
}
