import { type Command, Option } from "commander";

/** Adds the options that say whose past is meant. */
export function withSource(command: Command): Command {
  return command
    .addOption(new Option("--data <dir>", "data folder (default: $COX_DATA, else .cox)"))
    .option("--nats <url>", "the NATS server of a cluster (nats://user:password@host:port)")
    .option("--log <file>", "a file made by `cox export`, instead of a cluster");
}
