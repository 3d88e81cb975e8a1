import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { duration } from "../../shared/faults/duration.ts";
import type { Operation } from "./workload.ts";

const schema = z
  .array(
    z.strictObject({
      what: z.string().min(1),
      /** After the one before. */
      after: duration.default(0),
      /** A pod with this label `app` is chosen when the time has come. */
      anyPodOf: z.string().optional(),
      request: z.strictObject({
        verb: z.enum(["create", "update", "patch", "delete"]),
        resource: z.string(),
        subresource: z.string().optional(),
        namespace: z.string().optional(),
        name: z.string().optional(),
        query: z.record(z.string(), z.string()).optional(),
        contentType: z.string().optional(),
        body: z.unknown().optional(),
      }),
    }),
  )
  .min(1);

/**
 * Reads what a simulated user does (YAML; see workloads/tour.yaml).
 * @throws Error that names the file and the field
 */
export function loadWorkload(path: string): Operation[] {
  return parseWorkload(readFileSync(path, "utf8"), path);
}

export function parseWorkload(text: string, path: string): Operation[] {
  const result = schema.safeParse(parse(text, { merge: true }));
  if (!result.success) throw new Error(`${path}:\n${z.prettifyError(result.error)}`);
  return result.data.map(({ what, after, anyPodOf, request }) => ({
    what,
    afterMs: after,
    message: request as Operation["message"],
    ...(anyPodOf === undefined ? {} : { anyPodOf }),
  }));
}
