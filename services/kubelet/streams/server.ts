import { join } from "node:path";
import { escapeToken } from "../../../nats/subjects.ts";
import type { StatusBody } from "../../../shared/actor/api.ts";
import type { Bus, Subscription } from "../../../shared/actor/bus.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import { ERROR, RESIZE, STDERR, STDIN, STDOUT } from "../../../shared/streams/channels.ts";
import type {
  AttachOpen,
  ExecOpen,
  LogOpen,
  PortForwardOpen,
  StreamOpen,
} from "../../../shared/streams/message.ts";
import {
  type NodeStream,
  StreamRefusedError,
  serveStreams,
} from "../../../shared/streams/stream.ts";
import type { KubeletContext } from "../context.ts";
import { podContainers } from "../decide/spec.ts";
import type { ObservedContainer } from "../decide/types.ts";
import type { Kubelet } from "../kubelet.ts";
import { logFile } from "../pod/paths.ts";
import type { ContainerSession } from "../runtimes/runtime.ts";
import { readLog } from "./log-reader.ts";
import { readResize } from "./resize.ts";

/** Serves exec, attach, logs and port-forward of the node's pods (`node.<node>.stream.*`). */
export function serveNodeStreams(
  bus: Bus,
  context: KubeletContext,
  kubelet: Kubelet,
): Subscription {
  const pattern = `node.${escapeToken(context.node.name)}.stream.*`;
  return serveStreams(bus, context.environment, pattern, async (open, accept) => {
    const pod = findPod(kubelet, open);
    switch (open.operation) {
      case "log":
        return serveLog(context, pod, open, accept);
      case "exec":
        return serveExec(context, pod, open, accept);
      case "attach":
        return serveAttach(context, pod, open, accept);
      case "portforward":
        return servePortForward(context, pod, open, accept);
    }
  });
}

function findPod(kubelet: Kubelet, open: StreamOpen): Pod {
  const pod = kubelet.find(open.namespace, open.pod);
  if (pod && pod.metadata.uid === open.uid) return pod;
  throw refusal(404, "NotFound", `pods "${open.pod}" not found`);
}

function refusal(code: number, reason: string, message: string): StreamRefusedError {
  const status: StatusBody = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  };
  return new StreamRefusedError(status);
}

async function serveLog(
  context: KubeletContext,
  pod: Pod,
  open: LogOpen,
  accept: () => NodeStream,
): Promise<void> {
  const { observer, setup, environment } = context;
  const { name, namespace = "", uid = "" } = pod.metadata;
  const run = loggedRun(context, pod, open);
  const path = join(setup.paths.podLogs(namespace, name, uid), logFile(run.name, run.restartCount));
  const stream = accept();
  let over = false;
  void stream.closed.then(() => {
    over = true;
  });
  const isLive = (): boolean => {
    const present = observer.pod(uid).containers.find(({ id }) => id === run.id);
    return present?.state === "running" || present?.state === "created";
  };
  const source = { path, runtime: environment, isLive, isOpen: () => !over };
  for await (const chunk of readLog(source, open)) {
    if (over) return;
    await stream.write(STDOUT, chunk);
  }
}

/** The run of the container whose log is asked for. */
function loggedRun({ observer }: KubeletContext, pod: Pod, open: LogOpen): ObservedContainer {
  const { name, uid = "" } = pod.metadata;
  const runs = observer.pod(uid).containers.filter((one) => one.name === open.container);
  if (open.previous) {
    const previous = runs.slice(1).find(({ state }) => state === "exited");
    // While it waits to be restarted, the run that has just ended is the previous one.
    const ended =
      runs[0]?.state === "exited" && willRestart(pod, open.container) ? runs[0] : undefined;
    const run = ended ?? previous;
    if (run) return run;
    const message = `previous terminated container "${open.container}" in pod "${name}" not found`;
    throw refusal(400, "BadRequest", message);
  }
  const run = runs[0];
  if (run && run.state !== "unknown") return run;
  const waiting = waitingReason(pod, open.container);
  throw refusal(
    400,
    "BadRequest",
    `container "${open.container}" in pod "${name}" is waiting to start: ${waiting}`,
  );
}

function willRestart(pod: Pod, container: string): boolean {
  return waitingReason(pod, container) === "CrashLoopBackOff";
}

function waitingReason(pod: Pod, container: string): string {
  const status = pod.status;
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.find((one) => one.name === container)?.state?.waiting?.reason ?? "ContainerCreating";
}

function runningContainer({ observer }: KubeletContext, pod: Pod, name: string): string {
  const found = observer
    .pod(pod.metadata.uid ?? "")
    .containers.find((one) => one.name === name && one.state === "running");
  if (found) return found.id;
  if (podContainers(pod).some(({ spec }) => spec.name === name)) {
    throw refusal(500, "InternalError", `container not found ("${name}")`);
  }
  throw refusal(400, "BadRequest", `container ${name} is not valid for pod ${pod.metadata.name}`);
}

async function serveExec(
  context: KubeletContext,
  pod: Pod,
  open: ExecOpen,
  accept: () => NodeStream,
): Promise<void> {
  const id = runningContainer(context, pod, open.container);
  const session = await context.runtime.exec(id, open);
  await joinSession(session, accept(), open);
}

async function serveAttach(
  context: KubeletContext,
  pod: Pod,
  open: AttachOpen,
  accept: () => NodeStream,
): Promise<void> {
  const id = runningContainer(context, pod, open.container);
  const session = await context.runtime.attach(id, open);
  await joinSession(session, accept(), open);
}

/** Passes everything between the client and the process, and at the end the Status. */
async function joinSession(
  session: ContainerSession,
  stream: NodeStream,
  open: ExecOpen | AttachOpen,
): Promise<void> {
  void stream.closed.then(() => session.close());
  if (open.stdin) void passInput(session, stream);
  if (open.tty) void passSizes(session, stream);
  for await (const { channel, data } of session.read()) {
    await stream.write(channel === "stdout" ? STDOUT : STDERR, data);
  }
  const status = await session.ended;
  await stream.write(ERROR, JSON.stringify(status));
  await stream.end();
  session.close();
}

async function passInput(session: ContainerSession, stream: NodeStream): Promise<void> {
  for await (const chunk of stream.read(STDIN)) await session.write(chunk);
  session.closeStdin();
}

async function passSizes(session: ContainerSession, stream: NodeStream): Promise<void> {
  for await (const chunk of stream.read(RESIZE)) {
    const size = readResize(chunk);
    if (size) session.resize(size.width, size.height);
  }
}

async function servePortForward(
  context: KubeletContext,
  pod: Pod,
  open: PortForwardOpen,
  accept: () => NodeStream,
): Promise<void> {
  const sandbox = context.observer.pod(pod.metadata.uid ?? "").sandboxes[0];
  if (!sandbox?.ready)
    throw refusal(500, "InternalError", `sandbox of pod "${open.pod}" is not running`);
  const connection = await context.runtime.portForward(sandbox.id, open.port);
  const stream = accept();
  void stream.closed.then(() => connection.close());
  const up = (async () => {
    for await (const chunk of stream.read(STDIN)) await connection.write(chunk);
    connection.end();
  })();
  for await (const chunk of connection.read()) await stream.write(STDOUT, chunk);
  stream.closeChannel(STDOUT);
  const problem = await connection.ended;
  if (problem) await stream.write(ERROR, problem);
  else await up;
  await stream.end();
  connection.close();
}
