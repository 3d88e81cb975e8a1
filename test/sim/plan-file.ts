import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { parseFaults } from "../../shared/faults/language.ts";
import type { Minimized, Reproduction } from "./minimize.ts";

const count = z.number().int().min(0);

const schema = z.strictObject({
  seed: z.number().int(),
  steps: z.number().int().min(1),
  operations: z.array(count),
  faults: z.unknown(),
  only: z.array(
    z.strictObject({ fault: z.string(), site: z.string(), occurrence: count, draw: count }),
  ),
});

/**
 * Reads a run that `planText` wrote.
 * @throws Error that names the file and the field
 */
export function loadPlan(path: string): Reproduction {
  return parsePlan(readFileSync(path, "utf8"), path);
}

export function parsePlan(text: string, path: string): Reproduction {
  const result = schema.safeParse(parse(text));
  if (!result.success) throw new Error(`${path}:\n${z.prettifyError(result.error)}`);
  return { ...result.data, faults: parseFaults(result.data.faults) };
}

/** The run as a file (YAML) for `cox sim --plan`. */
export function planText({ reproduction, violation, incidents, operations }: Minimized): string {
  const { seed, steps, only, faults } = reproduction;
  const kept = reproduction.operations;
  const { limits: _, ...own } = faults;
  const incident = ({ fault, site, occurrence, draw }: Reproduction["only"][number]) =>
    `  - { fault: ${fault}, site: "${site}", occurrence: ${occurrence}, draw: ${draw} }\n`;
  const [summary = ""] = violation.split("\n", 1);
  return [
    `# ${summary}\n`,
    `# ${only.length} of ${incidents} faults and ${kept.length} of ${operations} operations do it.`,
    " Repeat it: cox sim --plan FILE --trace\n",
    `seed: ${seed}\nsteps: ${steps}\noperations: [${kept.join(", ")}]\n`,
    stringify({ faults: own }, { flowCollectionPadding: true, collectionStyle: "any" }),
    only.length === 0 ? "only: []\n" : "only:\n",
    ...only.map(incident),
  ].join("");
}
