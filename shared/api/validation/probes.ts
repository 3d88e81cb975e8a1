import type {
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  Probe,
  SleepAction,
  TCPSocketAction,
} from "../generated/types.ts";
import type { Findings } from "./findings.ts";
import { headerName } from "./names.ts";

interface Handlers {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

const HANDLERS = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const;
const HTTP_SCHEMES = ["HTTP", "HTTPS"];

/** Of a probe or a lifecycle hook. `grace`: the pod's terminationGracePeriodSeconds. */
function validateHandler(
  found: Findings,
  field: string,
  handlers: Handlers,
  grace: number | undefined,
): void {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handlers;
  const first = HANDLERS.find((name) => handlers[name]);
  if (first === undefined) {
    found.required(field, "must specify a handler type");
    return;
  }
  if (first === "exec" && !exec?.command?.length) found.required(`${field}.exec.command`);
  if (first === "httpGet" && httpGet) validateHttpGet(found, `${field}.httpGet`, httpGet);
  if (first === "tcpSocket") {
    found.portNumberOrName(`${field}.tcpSocket.port`, tcpSocket?.port);
  }
  if (first === "grpc") found.portNumberOrName(`${field}.grpc.port`, grpc?.port);
  if (first === "sleep" && sleep) validateSleep(found, `${field}.sleep`, sleep, grace);
  for (const name of HANDLERS) {
    if (name === first || !handlers[name]) continue;
    found.forbidden(`${field}.${name}`, "may not specify more than 1 handler type");
  }
}

function validateHttpGet(found: Findings, field: string, action: HTTPGetAction): void {
  if (!action.path) found.required(`${field}.path`);
  found.portNumberOrName(`${field}.port`, action.port);
  found.oneOf(`${field}.scheme`, action.scheme ?? "", HTTP_SCHEMES);
  for (const { name } of action.httpHeaders ?? []) {
    found.invalidAll(`${field}.httpHeaders`, name ?? "", headerName(name ?? ""));
  }
}

function validateSleep(
  found: Findings,
  field: string,
  { seconds = 0 }: SleepAction,
  grace: number | undefined,
): void {
  if (grace === undefined || (seconds >= 0 && seconds <= grace)) return;
  const limit = `less than terminationGracePeriodSeconds (${grace})`;
  found.invalid(field, seconds, `must be non-negative and ${limit}`);
}

export function validateLifecycle(
  found: Findings,
  field: string,
  lifecycle: Lifecycle | undefined,
  grace: number | undefined,
): void {
  const { postStart, preStop } = lifecycle ?? {};
  if (postStart) validateHandler(found, `${field}.postStart`, postStart, grace);
  if (preStop) validateHandler(found, `${field}.preStop`, preStop, grace);
}

const COUNTS = [
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
] as const;

export type ProbeName = "livenessProbe" | "readinessProbe" | "startupProbe";

export function validateProbe(
  found: Findings,
  container: string,
  name: ProbeName,
  probe: Probe | undefined,
  grace: number | undefined,
): void {
  if (!probe) return;
  const field = `${container}.${name}`;
  validateHandler(found, field, probe, grace);
  for (const count of COUNTS) found.notNegative(`${field}.${count}`, probe[count]);
  const own = probe.terminationGracePeriodSeconds;
  const at = `${field}.terminationGracePeriodSeconds`;
  if (own !== undefined && own <= 0) found.invalid(at, own, "must be greater than 0");
  if (name === "readinessProbe") {
    if (own !== undefined) found.invalid(at, own, "must not be set for readinessProbes");
  } else if (probe.successThreshold !== 1) {
    found.invalid(`${field}.successThreshold`, probe.successThreshold ?? 0, "must be 1");
  }
}
