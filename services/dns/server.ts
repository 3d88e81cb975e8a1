import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "../../shared/actor/dependencies.ts";
import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { Answer, DnsRecord, Question } from "./answer.ts";
import type { Forwarder } from "./forward.ts";
import { MessageReader, withLength } from "./framing.ts";
import {
  answersOf,
  type Request,
  readRequest,
  udpLimit,
  writeAnswer,
  writeCode,
  writeQuery,
} from "./message.ts";

export interface DnsServerOptions {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly address: string;
  /** 0: any free port, the same for UDP and TCP. */
  readonly port: number;
  readonly forwarder: Forwarder;
  /** The zone's answer; undefined: not the zone's name. "later": the zone is not known yet. */
  readonly answer: (question: Question) => Answer | undefined | "later";
}

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

const TCP_IDLE_MS = 10_000;
const TCP_CONNECTIONS_MAX = 1000;
const TCP_MESSAGE_MAX = 65_535;

/** Serves DNS on one port, over UDP and TCP. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const connections = new Set<Socket>();
  const tcp = await listenTcp(options, connections);
  const bound = tcp.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : options.port;
  let udp: UdpSocket;
  try {
    udp = await listenUdp(options, port);
  } catch (error) {
    tcp.close();
    throw error;
  }
  return {
    port,
    close: async () => {
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => {
        tcp.close(() => resolve());
        for (const socket of connections) socket.destroy();
      });
    },
  };
}

function listenUdp(options: DnsServerOptions, port: number): Promise<UdpSocket> {
  const socket = createSocket(options.address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (bytes, peer) => {
    void respond(options, bytes, false).then((response) => {
      if (response === undefined) return;
      // A client that has gone is no concern of anybody's.
      socket.send(response, peer.port, peer.address, () => undefined);
    });
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, options.address, () => {
      socket.off("error", reject);
      socket.on("error", (error) => options.logger.warn({ err: error }, "DNS over UDP"));
      resolve(socket);
    });
  });
}

function listenTcp(options: DnsServerOptions, connections: Set<Socket>): Promise<Server> {
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    serveConnection(options, socket);
  });
  server.maxConnections = TCP_CONNECTIONS_MAX;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.address, () => {
      server.off("error", reject);
      server.on("error", (error) => options.logger.warn({ err: error }, "DNS over TCP"));
      resolve(server);
    });
  });
}

function serveConnection(options: DnsServerOptions, socket: Socket): void {
  const reader = new MessageReader();
  const idle = (): (() => void) =>
    options.runtime.timers.after(TCP_IDLE_MS, () => socket.destroy());
  let cancelIdle = idle();
  socket.on("close", () => cancelIdle());
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    cancelIdle();
    cancelIdle = idle();
    for (const bytes of reader.push(chunk)) {
      void respond(options, bytes, true).then((response) => {
        if (response === undefined) socket.destroy();
        else if (socket.writable) socket.write(withLength(response));
      });
    }
  });
}

/** The response to a message; undefined when it must not have one. Never throws. */
async function respond(
  options: DnsServerOptions,
  bytes: Buffer,
  overTcp: boolean,
): Promise<Buffer | undefined> {
  const request = readRequest(bytes);
  if (request === undefined) return undefined;
  try {
    return await responseTo(options, bytes, request, overTcp);
  } catch (error) {
    options.logger.warn({ err: error, question: request.question }, "DNS question failed");
    return writeCode(request, "SERVFAIL");
  }
}

async function responseTo(
  options: DnsServerOptions,
  bytes: Buffer,
  request: Request,
  overTcp: boolean,
): Promise<Buffer> {
  if (request.verdict !== "NOERROR") return writeCode(request, request.verdict);
  const question = request.question as Question;
  const answer = options.answer(question);
  if (answer === "later") return writeCode(request, "SERVFAIL");
  if (answer === undefined) {
    // Without the wish for recursion the question is for a server that knows, and we do not.
    if (!request.recursionDesired) return writeCode(request, "REFUSED");
    if (options.forwarder.isLoop(bytes)) return writeCode(request, "SERVFAIL");
    return (await options.forwarder.forward(bytes, overTcp)) ?? writeCode(request, "SERVFAIL");
  }
  const whole = await followed(options, answer, question);
  return writeAnswer(
    request,
    { ...whole, answers: shuffled(options.runtime, whole.answers) },
    { limit: overTcp ? TCP_MESSAGE_MAX : udpLimit(request), authoritative: true },
  );
}

/** Clients that ask a resolver expect it to walk aliases to their end. */
async function followed(
  options: DnsServerOptions,
  answer: Answer,
  { type }: Question,
): Promise<Answer> {
  if (answer.follow === undefined) return answer;
  const query = writeQuery(0, { name: answer.follow, type });
  const response = await options.forwarder.forward(query, false);
  const more = response === undefined ? [] : answersOf(response);
  return { ...answer, answers: [...answer.answers, ...more] };
}

/** Several addresses come in a different order each time: many clients take the first one. */
function shuffled(runtime: Runtime, records: readonly DnsRecord[]): DnsRecord[] {
  const result = [...records];
  if (result.some((record) => record.type === "CNAME")) return result;
  const random = runtime.random.stream("dns/order");
  for (let left = result.length - 1; left > 0; left--) {
    const other = random.integer(left + 1);
    [result[left], result[other]] = [result[other]!, result[left]!];
  }
  return result;
}
