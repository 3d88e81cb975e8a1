/** What the supervisor of a cluster can be told over the bus, and what it answers. */
import { z } from "zod";
import { signalOrder } from "../chaos/orders.ts";
import { boundsSchema, GROUPINGS } from "./cluster.ts";

/** The supervisor's name as a process (shared/actor/orders.ts). */
export const SUPERVISOR = "supervisor";

export const supervisorOrderSchema = z.discriminatedUnion("type", [
  /** Brings about other numbers of replicas, and keeps them; answered when that is done. */
  z.strictObject({
    type: z.literal("scale"),
    replicas: z.record(z.string(), z.number().int().min(0).max(99)).default({}),
    /** Bounds that replicas keep to from now on. Asking for a number ends them. */
    autoscale: z.record(z.string(), boundsSchema).default({}),
    grouping: z.enum(GROUPINGS).optional(),
  }),
  z.strictObject({ type: z.literal("status") }),
  ...signalOrder.options,
]);

export type SupervisorOrder = z.input<typeof supervisorOrderSchema>;
export type ScaleOrder = Extract<z.output<typeof supervisorOrderSchema>, { type: "scale" }>;

const statusSchema = z.object({
  grouping: z.enum(GROUPINGS),
  /** Of every actor that can be scaled. */
  replicas: z.record(z.string(), z.number()),
  autoscale: z.record(z.string(), boundsSchema),
  processes: z.array(
    z.object({
      name: z.string(),
      pid: z.number().nullable(),
      paused: z.boolean(),
      /** How often it ended by itself and was started again. */
      restarts: z.number(),
    }),
  ),
});

/** Answer to these two orders. */
export type SupervisorStatus = z.infer<typeof statusSchema>;

/** @throws z.ZodError when it is none. */
export function parseStatus(answer: unknown): SupervisorStatus {
  return statusSchema.parse(answer);
}
