import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import type {
  Container,
  GRPCAction,
  HTTPGetAction,
  Probe,
} from "../../../shared/api/generated/types.ts";
import { formatDuration } from "../decide/backoff.ts";
import { type ContainerRuntime, RuntimeError } from "../runtimes/runtime.ts";

const BODY_MOST_BYTES = 10 * 1024;
const REDIRECTS_MOST = 10;
const USER_AGENT = "kube-probe/1.35";

export interface CheckResult {
  readonly healthy: boolean;
  readonly message: string;
}

/** The container that is probed. */
export interface CheckTarget {
  readonly runtime: ContainerRuntime;
  readonly containerId: string;
  readonly container: Container;
  /** The pod's address as the node reaches it. */
  readonly podIP: string;
  /** Wall clock: gRPC takes deadlines only as such. */
  readonly now: () => number;
}

/** Carries out a probe once, within its timeout. Never rejects. */
export async function check(target: CheckTarget, probe: Probe): Promise<CheckResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  try {
    if (probe.exec) return await checkExec(target, probe.exec.command ?? [], timeoutMs);
    if (probe.httpGet) return await checkHttp(target, probe.httpGet, timeoutMs);
    if (probe.tcpSocket) {
      const port = resolvePort(target.container, probe.tcpSocket.port);
      return await checkTcp(probe.tcpSocket.host || target.podIP, port, timeoutMs);
    }
    if (probe.grpc) {
      return await checkGrpc(target, probe.grpc, timeoutMs);
    }
    return { healthy: false, message: "missing probe handler" };
  } catch (error) {
    return { healthy: false, message: error instanceof Error ? error.message : String(error) };
  }
}

/** A port by number or by its name in the container. @throws Error: no such port. */
export function resolvePort(container: Container, port: string | number): number {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0) return number;
  const named = container.ports?.find((one) => one.name === port);
  if (named) return named.containerPort;
  throw new Error(`couldn't find port: ${JSON.stringify(port)} in container ${container.name}`);
}

async function checkExec(
  { runtime, containerId }: CheckTarget,
  command: readonly string[],
  timeoutMs: number,
): Promise<CheckResult> {
  try {
    const { exitCode, stdout, stderr } = await runtime.execSync(
      containerId,
      command,
      timeoutMs / 1000,
    );
    const output = Buffer.concat([stdout, stderr]).subarray(0, BODY_MOST_BYTES).toString("utf8");
    return { healthy: exitCode === 0, message: output };
  } catch (error) {
    if (error instanceof RuntimeError && error.code === "timeout") {
      const limit = formatDuration(timeoutMs);
      const text = `command timed out: "${command.join(" ")}" timed out after ${limit}`;
      return { healthy: false, message: text };
    }
    throw error;
  }
}

async function checkHttp(
  { container, podIP }: CheckTarget,
  action: HTTPGetAction,
  timeoutMs: number,
): Promise<CheckResult> {
  const url = probeUrl(container, action, podIP);
  const answer = await httpGet(url, action, timeoutMs);
  if (answer.status >= 200 && answer.status < 400) return { healthy: true, message: answer.body };
  return { healthy: false, message: `HTTP probe failed with statuscode: ${answer.status}` };
}

function probeUrl(container: Container, action: HTTPGetAction, podIP: string): URL {
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const host = action.host || podIP;
  const port = resolvePort(container, action.port);
  const path = action.path?.startsWith("/") ? action.path : `/${action.path ?? ""}`;
  return new URL(`${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`);
}

/**
 * One GET for a probe or a hook: any certificate is good, redirects are followed on the same host.
 * @throws Error in Go's words, as users know them.
 */
export async function httpGet(
  url: URL,
  action: HTTPGetAction,
  timeoutMs: number,
): Promise<{ status: number; body: string }> {
  let current = url;
  for (let redirects = 0; ; redirects++) {
    const answer = await getOnce(current, action, timeoutMs);
    if (!answer.location) return answer;
    const next = new URL(answer.location, current);
    if (next.hostname !== url.hostname) return answer;
    if (redirects >= REDIRECTS_MOST) throw new Error(`Get "${next}": stopped after 10 redirects`);
    current = next;
  }
}

function getOnce(
  url: URL,
  action: HTTPGetAction,
  timeoutMs: number,
): Promise<{ status: number; body: string; location?: string }> {
  const headers: Record<string, string> = { "User-Agent": USER_AGENT, Accept: "*/*" };
  for (const { name, value } of action.httpHeaders ?? []) headers[name] = value;
  const secure = url.protocol === "https:";
  const options = {
    method: "GET",
    headers,
    agent: false as const,
    signal: AbortSignal.timeout(timeoutMs),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Error(`Get "${url}": ${describe(error, url)}`));
    const outgoing: ClientRequest = secure
      ? httpsRequest(url, { ...options, rejectUnauthorized: false })
      : httpRequest(url, options);
    outgoing.once("error", fail);
    outgoing.once("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        if (length < BODY_MOST_BYTES) chunks.push(chunk);
        length += chunk.length;
      });
      response.once("error", fail);
      response.once("end", () => {
        const status = response.statusCode ?? 0;
        const body = Buffer.concat(chunks).subarray(0, BODY_MOST_BYTES).toString("utf8");
        const location = status >= 300 && status < 400 ? response.headers.location : undefined;
        resolve({ status, body, ...(location ? { location } : {}) });
      });
    });
    outgoing.end();
  });
}

function describe(error: Error & { code?: string }, url: URL): string {
  const address = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
  if (error.name === "AbortError" || error.name === "TimeoutError") {
    return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
  }
  return dialError(error, address);
}

function dialError(error: Error & { code?: string }, address: string): string {
  const causes: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ETIMEDOUT: "i/o timeout",
  };
  const cause = causes[error.code ?? ""];
  if (cause) return `dial tcp ${address}: ${cause}`;
  return error.code === "ECONNRESET" ? "EOF" : error.message;
}

function checkTcp(host: string, port: number, timeoutMs: number): Promise<CheckResult> {
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const finish = (healthy: boolean, message: string): void => {
      socket.destroy();
      resolve({ healthy, message });
    };
    socket.once("connect", () => finish(true, ""));
    socket.once("timeout", () => finish(false, `dial tcp ${address}: i/o timeout`));
    socket.once("error", (error) => finish(false, dialError(error, address)));
  });
}

const SERVING = 1;
const STATES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/** gRPC's standard health check: one request with one text, one answer with one number. */
function checkGrpc(
  { podIP, now }: CheckTarget,
  { port, service }: GRPCAction,
  timeoutMs: number,
): Promise<CheckResult> {
  const address = `${podIP.includes(":") ? `[${podIP}]` : podIP}:${port}`;
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.primary_user_agent": USER_AGENT,
    "grpc.use_local_subchannel_pool": 1,
  });
  const name = Buffer.from(service ?? "", "utf8");
  const encode = (): Buffer =>
    name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Uint8Array.of(0x0a, name.length), name]);
  const decode = (bytes: Buffer): number => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0);
  return new Promise<CheckResult>((resolve) => {
    client.waitForReady(new Date(now() + timeoutMs), (unready) => {
      if (unready) {
        const limit = `within ${formatDuration(timeoutMs)}: context deadline exceeded`;
        const text = `timeout: failed to connect service "${address}" ${limit}`;
        resolve({ healthy: false, message: text });
        return;
      }
      const deadline = { deadline: now() + timeoutMs };
      client.makeUnaryRequest(
        "/grpc.health.v1.Health/Check",
        encode,
        decode,
        {},
        deadline,
        (error, state) => {
          if (error)
            resolve({
              healthy: false,
              message: `error: health rpc probe failed: ${error.message}`,
            });
          else if (state === SERVING) resolve({ healthy: true, message: "service healthy" });
          else {
            const text = `service unhealthy (responded with "${STATES[state ?? 0] ?? state}")`;
            resolve({ healthy: false, message: text });
          }
        },
      );
    });
  }).finally(() => client.close());
}
