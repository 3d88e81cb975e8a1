import type { StatusBody } from "../../../shared/actor/api.ts";
import { type BusError, NoResponderError } from "../../../shared/actor/bus.ts";
import { badRequest, internalError, StatusError } from "../../../shared/api/errors.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import type { StreamOpen } from "../../../shared/streams/message.ts";
import { type NodeStream, openStream, StreamRefusedError } from "../../../shared/streams/stream.ts";
import type { Asked, HandlerOptions } from "../http/handler.ts";
import type { ResourceRoute } from "../http/path.ts";

const APISERVER = { username: "system:apiserver", groups: ["system:masters"] };

/**
 * The pod that a stream is for, as it is now.
 * @throws StatusError, e.g. 404
 */
export async function podOf(
  options: HandlerOptions,
  asked: Asked,
  route: ResourceRoute,
): Promise<Pod> {
  const answer = await options.engine.handle({
    verb: "get",
    user: APISERVER,
    table: route.table,
    namespace: route.namespace,
    name: route.name,
    query: new URLSearchParams(),
    body: Buffer.alloc(0),
    contentType: "",
    accept: "application/json",
    userAgent: "",
    trace: asked.trace,
    actor: "user",
    replica: asked.user.username,
    cause: 0,
  });
  if (answer.type !== "body") throw internalError("the pod could not be read");
  const value: unknown = JSON.parse(Buffer.concat(answer.body).toString("utf8"));
  if (answer.code !== 200) throw new StatusError(value as StatusBody);
  return value as Pod;
}

/**
 * The container that is meant: the named one, or the only one.
 * @throws StatusError 400 in Kubernetes' words.
 */
export function containerOf(pod: Pod, wanted: string | null): string {
  const spec = pod.spec;
  const name = pod.metadata.name;
  const containers = spec?.containers ?? [];
  const all = [
    ...(spec?.initContainers ?? []),
    ...containers,
    ...(spec?.ephemeralContainers ?? []),
  ].map((container) => container.name);
  if (wanted) {
    if (all.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${name}`);
  }
  const [only] = containers;
  if (only === undefined) throw badRequest(`a container name must be specified for pod ${name}`);
  if (containers.length === 1) return only.name;
  const choice = `[${all.join(" ")}]`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: ${choice}`);
}

/** The pod's parts of a stream's open message. */
export function targetOf(pod: Pod): { namespace: string; pod: string; uid: string } {
  const { namespace = "", name, uid = "" } = pod.metadata;
  return { namespace, pod: name, uid };
}

/**
 * Opens a stream to the agent of the pod's node.
 * @throws StatusError
 */
export async function openPodStream(
  options: HandlerOptions,
  pod: Pod,
  open: StreamOpen,
): Promise<NodeStream> {
  const node = pod.spec?.nodeName;
  if (!node) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  const subject = `node.${options.nodeToken(node)}.stream.${open.operation}`;
  try {
    return await openStream(options.bus, options.runtime, subject, open);
  } catch (error) {
    if (error instanceof StreamRefusedError) throw new StatusError(error.status);
    const why =
      (error as BusError) instanceof NoResponderError
        ? `the agent of node ${JSON.stringify(node)} is not connected`
        : `the agent of node ${JSON.stringify(node)} does not answer`;
    throw internalError(why);
  }
}
