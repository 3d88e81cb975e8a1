/** The program `cox`. */
import { hostname } from "node:os";
import { dataFolder } from "../data-folder.ts";
import { argumentsOf, parseRun, type Run } from "../run-arguments.ts";
import { load } from "./load.ts";

const command = /^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? "other";
const rest = process.argv.slice(3);
// A process of a cluster: without the command line's own program, which it would carry for ever.
if (command === "run" && !rest.some((word) => word === "--help" || word === "-h")) become(read());
else load(__dirname, "cox", `cox-${command}`);

function become({ data, process: planned }: Run): void {
  const words = process.argv.slice(0, 2);
  process.argv = [...words, ...argumentsOf(planned, dataFolder(data))];
  load(__dirname, planned.kind, planned.kind);
}

function read(): Run {
  try {
    return parseRun(rest, hostname());
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
