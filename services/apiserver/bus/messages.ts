import { z } from "zod";
import { HEARTBEAT_NODES_MAX, PLANS_PER_REQUEST_MAX } from "../../../shared/actor/api.ts";
import { badRequest } from "../../../shared/api/errors.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";

/** The shapes of what actors send (shared/actor/api.ts), checked on arrival. */

const key = z.string().min(5);
const expect = z.string();
const head = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({}),
});
/** Its kind's schema checks the rest of it. */
const object = z.custom<KubernetesObject>(
  (value) => head.safeParse(value).success,
  "not a Kubernetes object",
);

const action = z.discriminatedUnion("op", [
  z.object({ op: z.literal("create"), key, object }),
  z.object({
    op: z.literal("update"),
    key,
    object,
    expect,
    subresource: z.enum(["status", "finalize", "scale"]).optional(),
    claim: z.boolean().optional(),
  }),
  z.object({
    op: z.literal("patch"),
    key,
    patch: z.record(z.string(), z.unknown()),
    expect: expect.optional(),
    subresource: z.literal("status").optional(),
  }),
  z.object({
    op: z.literal("delete"),
    key,
    expect: expect.optional(),
    uid: z.string(),
    gracePeriodSeconds: z.int().optional(),
    propagationPolicy: z.enum(["Background", "Foreground", "Orphan"]).optional(),
  }),
  z.object({ op: z.literal("bind"), key, node: z.string().min(1), expect, uid: z.string() }),
  z.object({ op: z.literal("evict"), key, uid: z.string() }),
]);

export const planMessage = z.object({
  trace: z.string(),
  actor: z.string().min(1),
  replica: z.string(),
  cause: z.int().min(0),
  decidedAt: z.int().min(0),
  actions: z.array(action),
});

export const plansMessage = z.object({ plans: z.array(planMessage).max(PLANS_PER_REQUEST_MAX) });

export const getMessage = z.object({ key });

export const watchMessage = z.object({
  resource: z.string().min(1),
  namespace: z.string().optional(),
  fieldSelector: z.string().optional(),
  labelSelector: z.string().optional(),
  from: z.int().min(0).optional(),
  consumer: z.string().min(1),
});

export const moreMessage = z.object({ consumer: z.string(), received: z.int().min(0) });

export const stopMessage = z.object({ consumer: z.string() });

const eventRecord = z.object({
  regarding: z.object({
    resource: z.string(),
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    fieldPath: z.string().optional(),
  }),
  type: z.enum(["Normal", "Warning"]),
  reason: z.string(),
  message: z.string(),
});

export const eventsMessage = z.object({
  actor: z.string().min(1),
  replica: z.string(),
  events: z.array(eventRecord).max(1000),
});

export const tokenMessage = z.object({
  namespace: z.string().min(1),
  name: z.string().min(1),
  request: z.looseObject({}),
});

export const resourceMessage = z.object({
  verb: z.enum(["get", "list", "create", "update", "patch", "delete", "deletecollection"]),
  resource: z.string().min(1),
  subresource: z.string().optional(),
  namespace: z.string().optional(),
  name: z.string().optional(),
  query: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  contentType: z.string().optional(),
  trace: z.string().optional(),
});

export const heartbeatMessage = z.object({
  nodes: z.array(z.string().min(1)).max(HEARTBEAT_NODES_MAX),
});

/** @throws StatusError BadRequest naming the first thing that is wrong */
export function parseMessage<T>(schema: z.ZodType<T>, data: Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(data).toString());
  } catch (error) {
    throw badRequest(`the message is not JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badRequest(`${issue?.path.join(".")}: ${issue?.message}`);
}
