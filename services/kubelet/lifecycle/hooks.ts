import type { Container, LifecycleHandler } from "../../../shared/api/generated/types.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import { httpGet, resolvePort } from "../probes/checks.ts";
import type { ContainerRuntime } from "../runtimes/runtime.ts";

/** A hook's HTTP request may take this long at most, milliseconds. */
const HTTP_MS = 30_000;

export interface HookTarget {
  readonly runtime: ContainerRuntime;
  readonly environment: Runtime;
  readonly containerId: string;
  readonly container: Container;
  readonly podIP: string;
}

/** Carries out a postStart or preStop hook. @throws Error when it fails. */
export async function runHook(target: HookTarget, handler: LifecycleHandler): Promise<void> {
  const { runtime, environment, containerId, container, podIP } = target;
  if (handler.exec) {
    const { exitCode, stdout, stderr } = await runtime.execSync(
      containerId,
      handler.exec.command ?? [],
      0,
    );
    if (exitCode === 0) return;
    const output = Buffer.concat([stdout, stderr]).toString("utf8");
    throw new Error(
      `command '${(handler.exec.command ?? []).join(" ")}' exited with ${exitCode}: ${output}`,
    );
  }
  if (handler.httpGet) {
    const { host, port, path = "/", scheme = "HTTP" } = handler.httpGet;
    const name = host || podIP;
    const number = resolvePort(container, port);
    const text = `${scheme.toLowerCase()}://${name.includes(":") ? `[${name}]` : name}:${number}`;
    const url = new URL(path.startsWith("/") ? path : `/${path}`, text);
    const { status } = await httpGet(url, handler.httpGet, HTTP_MS);
    if (status >= 400) throw new Error(`HTTP request to ${url} answered ${status}`);
    return;
  }
  if (handler.sleep) return environment.timers.sleep(handler.sleep.seconds * 1000);
  throw new Error(`invalid handler: ${JSON.stringify(handler)}`);
}
