import { parse } from "yaml";
import { z } from "zod";
import { readDataFile } from "../data-files.ts";
import type { Stage } from "../decide/stages.ts";

const picture = z.strictObject({
  state: z.enum(["waiting", "running", "terminated"]),
  reason: z.string().optional(),
  message: z.string().optional(),
  exitCode: z.number().int().optional(),
  ready: z.boolean().optional(),
  restart: z.boolean().optional(),
  last: z.strictObject({ reason: z.string(), exitCode: z.number().int() }).optional(),
});

const stage = z.strictObject({
  name: z.string().min(1),
  labels: z.record(z.string(), z.string()).optional(),
  when: z
    .array(
      z.strictObject({
        path: z.string().min(1),
        operator: z.enum(["Exists", "DoesNotExist", "In", "NotIn"]),
        values: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
      }),
    )
    .optional(),
  delay: z
    .strictObject({
      milliseconds: z.number().min(0).optional(),
      jitter: z.number().min(0).optional(),
      doubling: z.boolean().optional(),
      maximum: z.number().min(0).optional(),
    })
    .optional(),
  next: z.strictObject({
    delete: z.boolean().optional(),
    stay: z.boolean().optional(),
    phase: z.enum(["Pending", "Running", "Succeeded", "Failed"]).optional(),
    reason: z.string().optional(),
    message: z.string().optional(),
    containers: picture.optional(),
    initContainers: picture.optional(),
    event: z
      .strictObject({
        type: z.enum(["Normal", "Warning"]),
        reason: z.string(),
        message: z.string(),
      })
      .optional(),
  }),
});

const stageFile = z.strictObject({ stages: z.array(stage) });

/**
 * Reads stages from YAML text.
 * @throws ZodError that names the field that is wrong.
 */
export function parseStages(text: string): readonly Stage[] {
  return stageFile.parse(parse(text)).stages as readonly Stage[];
}

/** The stages that ship with the product: failures by label first, then the ordinary life. */
export function builtInStages(): readonly Stage[] {
  return ["stages/failures.yaml", "stages/pods.yaml"].flatMap((file) =>
    parseStages(readDataFile(file)),
  );
}
