import { z } from "zod";
import type { StatusBody } from "../actor/api.ts";

/** Whose container a stream is for. The node refuses when the pod's uid is another. */
const target = {
  namespace: z.string().min(1),
  pod: z.string().min(1),
  uid: z.string().min(1),
};

const processIo = {
  container: z.string().min(1),
  stdin: z.boolean(),
  stdout: z.boolean(),
  stderr: z.boolean(),
  tty: z.boolean(),
};

const execSchema = z.object({
  operation: z.literal("exec"),
  ...target,
  ...processIo,
  command: z.array(z.string()).min(1),
});

const attachSchema = z.object({ operation: z.literal("attach"), ...target, ...processIo });

const logSchema = z.object({
  operation: z.literal("log"),
  ...target,
  container: z.string().min(1),
  follow: z.boolean(),
  /** Of the container's previous instance. */
  previous: z.boolean(),
  timestamps: z.boolean(),
  stream: z.enum(["All", "Stdout", "Stderr"]),
  /** Only the last lines. */
  tailLines: z.number().int().nonnegative().optional(),
  /** Only lines logged at or after this time, milliseconds since the Unix epoch. */
  sinceMs: z.number().optional(),
  /** At most this many bytes. */
  limitBytes: z.number().int().positive().optional(),
});

/** One forwarded connection: channel 0 to the pod, 1 from it, 3 an error as text. */
const portForwardSchema = z.object({
  operation: z.literal("portforward"),
  ...target,
  port: z.number().int().min(1).max(65535),
});

const operationSchema = z.discriminatedUnion("operation", [
  execSchema,
  attachSchema,
  logSchema,
  portForwardSchema,
]);

/** The request that opens a stream, published on `node.<node>.stream.<operation>`. */
export const openSchema = z.object({
  /** Prefix of the stream's two data subjects, `<subjects>.up` and `<subjects>.down`. */
  subjects: z.string().regex(/^stream\.[^.\s*>]+\.[0-9A-Za-z]+$/),
  /** Bytes per channel that may be sent without being consumed, in both directions. */
  window: z.number().int().min(1024).max(16_777_216),
  open: operationSchema,
});

export type OpenRequest = z.infer<typeof openSchema>;
export type StreamOpen = z.infer<typeof operationSchema>;
export type ExecOpen = z.infer<typeof execSchema>;
export type AttachOpen = z.infer<typeof attachSchema>;
export type LogOpen = z.infer<typeof logSchema>;
export type PortForwardOpen = z.infer<typeof portForwardSchema>;

const statusSchema = z.custom<StatusBody>(
  (value) => z.object({ kind: z.literal("Status"), code: z.number() }).safeParse(value).success,
);

/** The node's answer: accepted, or the Status that the client is to get. */
export const answerSchema = z.union([
  z.object({ accepted: z.literal(true) }),
  z.object({ accepted: z.literal(false), status: statusSchema }),
]);

export type OpenAnswer = z.infer<typeof answerSchema>;
