import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { badRequest, statusOf } from "../../../shared/api/errors.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import type { NodeStream } from "../../../shared/streams/stream.ts";
import { demandConnect, demandPath, refuseUnknown } from "../http/access.ts";
import type { Asked, RequestHandler } from "../http/handler.ts";
import { CONNECTIONS, type ResourceRoute } from "../http/path.ts";
import type { ClientChannels } from "./client.ts";
import { flag } from "./log.ts";
import { servePortForward } from "./port-forward.ts";
import { type CommandIo, channelsOf, relay } from "./relay.ts";
import { SpdyChannels } from "./spdy-channels.ts";
import { containerOf, openPodStream, podOf, targetOf } from "./target.ts";
import { WebSocketChannels } from "./websocket.ts";

const WEBSOCKET_V5 = "v5.channel.k8s.io";
const WEBSOCKET_V4 = "v4.channel.k8s.io";
const SPDY_COMMAND = "v4.channel.k8s.io";
const SPDY_FORWARD = "portforward.k8s.io";
const TUNNEL = "SPDY/3.1+portforward.k8s.io";
/** For a SPDY client to open its streams, milliseconds. */
const STREAMS_WITHIN_MS = 30_000;
/** For a client to close its side once everything is said, milliseconds. */
const GOODBYE_MS = 2_000;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** An upgrade request that was found to be in order. */
interface Upgrade {
  readonly handler: RequestHandler;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly asked: Asked;
  readonly pod: Pod;
  readonly protocol: string;
  readonly overWebSocket: boolean;
}

/**
 * Serves a request that wants to leave HTTP: exec, attach and port-forward, over WebSocket or
 * SPDY/3.1. Failures before that are answered as HTTP, with a Status.
 */
export async function serveUpgrade(
  handler: RequestHandler,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { runtime, logger } = handler.options;
  const trace = runtime.ids.ulid();
  (socket as Socket).setNoDelay(true);
  (socket as Socket).setKeepAlive(true, 30_000);
  handler.metrics.longRunningChanged("CONNECT", 1);
  try {
    const asked = handler.ask(request, trace);
    const route = connectionOf(handler, asked);
    const overWebSocket = /\bwebsocket\b/i.test(request.headers.upgrade ?? "");
    const { user } = asked;
    demandConnect(handler.options.authorizer, user, route.verb, route);
    // A WebSocket begins with a GET, but it does what otherwise takes a POST
    if (overWebSocket) demandConnect(handler.options.authorizer, user, "create", route);
    const protocol = chooseProtocol(request, route, overWebSocket);
    const pod = await podOf(handler.options, asked, route);
    const upgrade = { handler, request, socket, head, asked, pod, protocol, overWebSocket };
    if (route.subresource?.name === "portforward") await forward(upgrade);
    else await command(upgrade, route.subresource?.name === "exec" ? "exec" : "attach");
  } catch (error) {
    refuse(socket, error, trace);
  } finally {
    handler.metrics.longRunningChanged("CONNECT", -1);
    logger.debug({ trace, method: request.method, url: request.url }, "connection");
  }
}

function connectionOf(handler: RequestHandler, { user, route }: Asked): ResourceRoute {
  const { authorizer } = handler.options;
  if (route.type === "unknown") return refuseUnknown(authorizer, user, route);
  if (route.type === "path") demandPath(authorizer, user, route.verb, route.path);
  else if (CONNECTIONS.includes(route.subresource?.name ?? "")) return route;
  throw badRequest("this path does not upgrade the connection");
}

/** The protocol that both sides speak. */
function chooseProtocol(
  request: IncomingMessage,
  route: ResourceRoute,
  overWebSocket: boolean,
): string {
  const forwards = route.subresource?.name === "portforward";
  const header = overWebSocket ? "sec-websocket-protocol" : "x-stream-protocol-version";
  const offered = [request.headers[header] ?? []]
    .flat()
    .flatMap((value) => value.split(","))
    .map((value) => value.trim());
  if (!overWebSocket && !/^spdy\/3\.1$/i.test(request.headers.upgrade ?? "")) {
    throw badRequest(
      `unable to upgrade: unexpected upgrade ${JSON.stringify(request.headers.upgrade ?? "")}`,
    );
  }
  const spoken = overWebSocket
    ? forwards
      ? [TUNNEL]
      : [WEBSOCKET_V5, WEBSOCKET_V4]
    : [forwards ? SPDY_FORWARD : SPDY_COMMAND];
  const chosen = spoken.find((protocol) => offered.includes(protocol));
  if (chosen !== undefined) return chosen;
  throw badRequest(
    `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], ` +
      `server accepts [${spoken.join(" ")}]`,
  );
}

async function command(upgrade: Upgrade, operation: "exec" | "attach"): Promise<void> {
  const { handler, asked, pod, socket } = upgrade;
  const { query } = asked;
  const io: CommandIo = {
    stdin: flag(query, "stdin"),
    stdout: flag(query, "stdout"),
    stderr: flag(query, "stderr") && !flag(query, "tty"),
    tty: flag(query, "tty"),
  };
  if (!io.stdin && !io.stdout && !io.stderr) {
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  }
  const words = query.getAll("command");
  if (operation === "exec" && words.length === 0) {
    throw badRequest("you must specify a command to execute");
  }
  const base = { ...targetOf(pod), container: containerOf(pod, query.get("container")), ...io };
  const stream = await openPodStream(
    handler.options,
    pod,
    operation === "exec" ? { operation, ...base, command: words } : { operation, ...base },
  );
  const gone = () => stream.abort("the client is gone");
  socket.on("close", gone);
  if (socket.destroyed) return gone();
  const client = await connect(upgrade, stream, io);
  if (client === undefined) return;
  await relay(client, stream, io);
  await finish(upgrade, client.closed);
}

/** Switches protocols; undefined when the client does not go through with it. */
async function connect(
  upgrade: Upgrade,
  stream: NodeStream,
  io: CommandIo,
): Promise<ClientChannels | undefined> {
  const { handler, protocol, overWebSocket } = upgrade;
  if (overWebSocket) {
    const socket = await webSocketOf(upgrade);
    return new WebSocketChannels(socket, protocol === WEBSOCKET_V5);
  }
  const client = new SpdyChannels(switchToSpdy(upgrade), channelsOf(io));
  const late = handler.options.runtime.timers.sleep(STREAMS_WITHIN_MS).then(() => "late");
  const first = await Promise.race([client.complete, client.closed.then(() => "gone"), late]);
  if (first === undefined) return client;
  stream.abort("the client did not open its streams");
  upgrade.socket.destroy();
  return undefined;
}

async function forward(upgrade: Upgrade): Promise<void> {
  const { handler, pod, overWebSocket } = upgrade;
  if (!pod.spec?.nodeName) {
    throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  }
  if (!overWebSocket) return servePortForward(handler.options, pod, switchToSpdy(upgrade));
  const tunnel = createWebSocketStream(await webSocketOf(upgrade));
  await servePortForward(handler.options, pod, tunnel);
}

/** Connections that have left HTTP: no HTTP answer may be written to them. */
const switched = new WeakSet<Duplex>();

function webSocketOf({ request, socket, head, protocol }: Upgrade): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: () => protocol,
  });
  return new Promise((resolve, reject) => {
    server.on("wsClientError", (error) => reject(badRequest(error.message)));
    server.handleUpgrade(request, socket, head, (webSocket) => {
      switched.add(socket);
      resolve(webSocket);
    });
  });
}

function switchToSpdy({ socket, head, protocol }: Upgrade): Duplex {
  switched.add(socket);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
      `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  return socket;
}

/** Lets the client close first, so that nothing that it has not read yet is lost. */
async function finish(upgrade: Upgrade, closed: Promise<void>): Promise<void> {
  let cancel = () => {};
  const patience = new Promise<void>((resolve) => {
    cancel = upgrade.handler.options.runtime.timers.after(GOODBYE_MS, resolve);
  });
  await Promise.race([closed, patience]);
  cancel();
  upgrade.socket.destroy();
}

function refuse(socket: Duplex, error: unknown, trace: string): void {
  if (switched.has(socket)) socket.destroy();
  if (socket.destroyed || socket.writableEnded) return;
  const status = statusOf(error);
  const body = JSON.stringify(status);
  socket.end(
    `HTTP/1.1 ${status.code} ${STATUS_CODES[status.code] ?? "Error"}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Audit-Id: ${trace}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
