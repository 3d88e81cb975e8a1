/**
 * The program `cox`: wires commands to what they do. Each loads only what it needs: start-up time
 * is part of what a command costs.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { addChaosCommands } from "./chaos/commands.ts";
import type { Grouping, NodeRuntime } from "./cluster.ts";
import { dataFolder } from "./data-folder.ts";
import { addHistoryCommands } from "./history/commands.ts";
import { withSource } from "./history/source-options.ts";
import { addProfileCommand } from "./profile/commands.ts";
import { ReportedProgress, sender, show } from "./progress.ts";
import { type Asked, addScaleCommands, askedFor, groupingOption } from "./scale/commands.ts";
import { setup } from "./setup.ts";
import { addSimulation } from "./sim/command.ts";
import { UsageError } from "./usage-error.ts";
import type { VerifyFlags } from "./verify.ts";

const program = new Command("cox")
  .description("Coxswain: a Kubernetes control plane of stateless actors on NATS JetStream")
  .showHelpAfterError()
  .enablePositionalOptions();

const dataOption = () => new Option("--data <dir>", "data folder (default: $COX_DATA, else .cox)");

const durabilityOption = () =>
  new Option("--durability <kind>", "when a write counts as written (default: strict)").choices([
    "strict",
    "relaxed",
  ]);

interface UpFlags {
  data?: string;
  port?: number;
  nodes?: number;
  runtime?: "auto" | NodeRuntime;
  nats?: string;
  durability?: "strict" | "relaxed";
  replicas?: Asked;
  autoscale?: Asked;
  verify?: boolean;
  grouping?: Grouping;
  detach?: boolean;
  report?: number;
}

program
  .command("up")
  .description("start the cluster of a data folder, creating it if need be")
  .addOption(dataOption())
  .option("--detach", "return when the cluster can be used, and leave it running")
  .option("--port <n>", "port of the API server (default: 6443 or the next free one)", port)
  .option("--nodes <n>", "number of nodes (default: 1)", whole)
  .addOption(
    new Option("--runtime <kind>", "what runs containers (default: auto)").choices([
      "auto",
      "cri",
      "process",
      "simulated",
    ]),
  )
  .option("--nats <url>", "use this NATS server instead of an own one")
  .addOption(durabilityOption())
  .option("--replicas <actor=n,...>", "replicas of actors, e.g. scheduler=3,deployment=2", asked)
  .option("--autoscale <actor=a..b,...>", "bounds within which replicas follow the load", asked)
  .option("--verify", "watch the invariants all the time (the same as --replicas verify=1)")
  .addOption(groupingOption())
  .addOption(new Option("--report <descriptor>").argParser(whole).hideHelp())
  .action(
    async ({ data, detach: away, report, replicas, autoscale, verify, ...flags }: UpFlags) => {
      const wanted = {
        replicas: { ...(verify && { verify: 1 }), ...replicas?.replicas, ...autoscale?.replicas },
        autoscale: { ...replicas?.autoscale, ...autoscale?.autoscale },
      };
      const options = { ...flags, ...wanted, data: dataFolder(data) };
      if (away) {
        const { detach } = await import("./detach.ts");
        process.exit(await detach(options.data, process.argv.slice(2)));
      }
      const progress = new ReportedProgress(report === undefined ? show : sender(report));
      try {
        const { up } = await import("./up.ts");
        await up(options, progress);
      } catch (error) {
        progress.failed((error as Error).message);
        if (!(error instanceof UsageError)) console.error(error);
        process.exitCode = 1;
      }
      // What was still being waited for when the end was asked for is not waited for any longer.
      process.exit();
    },
  );

program
  .command("setup")
  .description("install and fetch what clusters need, without starting one")
  .action(() => setup(new ReportedProgress(show)));

interface InitFlags extends Pick<UpFlags, "data" | "nodes" | "port" | "durability"> {
  nats: string;
  address?: string;
}

program
  .command("init")
  .description("prepare the data folder of a cluster of processes without a supervisor (`run`)")
  .addOption(dataOption())
  .requiredOption("--nats <url,...>", "its NATS servers; with three, the log is kept three times")
  .option("--nodes <n>", "number of simulated nodes (default: 3)", whole)
  .option("--port <n>", "port of the API servers (default: 6443)", port)
  .option("--address <name,...>", "names and addresses of the API servers beside this machine's")
  .addOption(durabilityOption())
  .action(async ({ data, address, ...flags }: InitFlags) => {
    const { init } = await import("./init.ts");
    const named = address === undefined ? {} : { address: address.split(",") };
    process.stdout.write(init({ ...flags, ...named, data: dataFolder(data) }));
  });

program
  .command("run")
  .description("run actors of a cluster that `init` has prepared, in the foreground")
  .argument("<actor,...>", "apiserver, nodes, verify, or any of the scheduler and the controllers")
  .addOption(dataOption())
  .option("--name <name>", "of the process (default: its first actor and the host name)")
  // load/cox.ts runs it, without this program.
  .action(() => undefined);

program
  .command("down")
  .description("stop the cluster; its state stays in the data folder")
  .addOption(dataOption())
  .option("--purge", "delete the data folder too")
  .action(async ({ data, purge }: { data?: string; purge?: boolean }) => {
    const { down } = await import("./down.ts");
    process.exitCode = await down(dataFolder(data), purge ?? false, new ReportedProgress(show));
  });

program
  .command("status")
  .description("what runs, and whether it is well")
  .addOption(dataOption())
  .addOption(new Option("-o, --output <format>").choices(["text", "json"]).default("text"))
  .action(async ({ data, output }: { data?: string; output: "text" | "json" }) => {
    const { statusText } = await import("./status.ts");
    const { text, healthy } = await statusText(dataFolder(data), output);
    process.stdout.write(text);
    process.exitCode = healthy ? 0 : 1;
  });

program
  .command("kubeconfig")
  .description("print the administrator's kubeconfig")
  .addOption(dataOption())
  .action(async ({ data }: { data?: string }) => {
    const { kubeconfigText } = await import("./kubeconfig.ts");
    process.stdout.write(kubeconfigText(dataFolder(data)));
  });

program
  .command("kubectl")
  .description("run kubectl against the cluster")
  .addOption(dataOption())
  .argument("[arguments...]")
  .passThroughOptions()
  .allowUnknownOption()
  .helpOption(false)
  .action(async (args: string[], { data }: { data?: string }) => {
    const { runKubectl } = await import("./kubectl.ts");
    process.exitCode = await runKubectl(dataFolder(data), args);
  });

addSimulation(program);

withSource(program.command("verify"))
  .description("check the invariants on every commit of the log; exits with 1 if one was broken")
  .option("--from <moment>", "a revision, a time or an age (-10m) (default: where history begins)")
  .option("-f, --follow", "go on with what happens from now on")
  .addOption(new Option("-o, --output <format>").choices(["text", "json"]).default("text"))
  .action(async (flags: VerifyFlags) => {
    const { verify } = await import("./verify.ts");
    const { STANDARD_OUTPUT } = await import("./history/output.ts");
    process.exitCode = await verify(flags, STANDARD_OUTPUT);
  });

addHistoryCommands(program);
addProfileCommand(program);
addChaosCommands(program);
addScaleCommands(program);

function asked(text: string): Asked {
  return askedFor([text]);
}

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError("It takes a whole number of 1 or more.");
}

function port(text: string): number {
  const number = whole(text);
  if (number <= 65_535) return number;
  throw new InvalidArgumentError("It takes a port from 1 to 65535.");
}

program.parseAsync().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
