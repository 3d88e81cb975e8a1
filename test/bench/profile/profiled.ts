import { spawn } from "node:child_process";
import { join } from "node:path";

/** Runs `cox profile` with these words; answers what it printed. @throws Error with its reason. */
export function profiled(words: readonly string[]): Promise<string> {
  const program = join(process.cwd(), "dist", "cox.js");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [output, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (part: Buffer) => output.push(part));
    child.stderr.on("data", (part: Buffer) => errors.push(part));
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(output).toString());
      else reject(new Error(Buffer.concat(errors).toString()));
    });
  });
}
