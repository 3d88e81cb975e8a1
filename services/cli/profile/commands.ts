import type { Command } from "commander";
import { milliseconds } from "../chaos/commands.ts";

export interface ProfileFlags {
  readonly data?: string;
  readonly for: number;
  readonly output?: string;
}

/** `cox profile`: where a running process spends its time. */
export function addProfileCommand(program: Command): void {
  program
    .command("profile")
    .description("where a process of the control plane spends its time, while it runs")
    .argument("<target>", "an actor or a node; apiserver/2 for its second replica")
    .option("--data <dir>", "data folder (default: $COX_DATA, else .cox)")
    .option("--for <time>", "for so long, at most 60s", milliseconds, 10_000)
    .option("-o, --output <file>", "*.svg: a flame graph; *.cpuprofile: as V8 writes it")
    .action(async (target: string, flags: ProfileFlags) => {
      const { profile } = await import("./profile.ts");
      await profile(target, flags);
    });
}
