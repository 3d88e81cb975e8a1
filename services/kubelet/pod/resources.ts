import type { Container, Pod } from "../../../shared/api/generated/types.ts";
import { qosClass } from "../decide/qos.ts";
import { isRestartableInit } from "../decide/spec.ts";
import type { LinuxResources } from "../runtimes/runtime.ts";
import { amountOf } from "./fields.ts";

const CPU_PERIOD = 100_000;
const QUOTA_LEAST = 1_000;
const SHARES_LEAST = 2;
const SHARES_MOST = 262_144;

/** What the kernel is told about one container's share of the machine. */
export function containerResources(
  pod: Pod,
  container: Container,
  memoryCapacity: number,
): LinuxResources {
  const request = amountOf(container, "requests", "cpu");
  const limit = amountOf(container, "limits", "cpu");
  return {
    cpuPeriod: CPU_PERIOD,
    cpuQuota: quotaOf(limit),
    cpuShares: sharesOf(request > 0 ? request : limit),
    memoryLimitInBytes: amountOf(container, "limits", "memory"),
    oomScoreAdj: oomScore(pod, container, memoryCapacity),
  };
}

/** The whole pod's, for its own cgroup; absent where some container is not limited. */
export interface PodResources {
  readonly cpuShares: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod: number;
  readonly memoryLimit?: number;
}

/**
 * Sums over the containers that run together; init containers run before them, so the largest one
 * counts where it is larger than the sum.
 */
export function podResources(pod: Pod): PodResources {
  const requested = podAmount(pod, "requests", "cpu").amount;
  const cpu = podAmount(pod, "limits", "cpu");
  const memory = podAmount(pod, "limits", "memory");
  return {
    cpuShares: sharesOf(requested),
    cpuPeriod: CPU_PERIOD,
    ...(cpu.complete ? { cpuQuota: quotaOf(cpu.amount) } : {}),
    ...(memory.complete ? { memoryLimit: memory.amount } : {}),
  };
}

function podAmount(
  pod: Pod,
  part: "requests" | "limits",
  resource: string,
): { amount: number; complete: boolean } {
  const amount = (container: Container): number => amountOf(container, part, resource);
  const inits = pod.spec?.initContainers ?? [];
  const all = [...(pod.spec?.containers ?? []), ...inits];
  let sidecars = 0;
  let largestInit = 0;
  for (const init of inits) {
    if (isRestartableInit(init)) sidecars += amount(init);
    else largestInit = Math.max(largestInit, sidecars + amount(init));
  }
  const apps = (pod.spec?.containers ?? []).reduce((sum, one) => sum + amount(one), 0);
  return {
    amount: Math.max(apps + sidecars, largestInit),
    complete: all.length > 0 && all.every((container) => amount(container) > 0),
  };
}

function sharesOf(cpus: number): number {
  const shares = Math.floor((Math.round(cpus * 1000) * 1024) / 1000);
  return Math.min(Math.max(shares, SHARES_LEAST), SHARES_MOST);
}

function quotaOf(cpus: number): number {
  if (cpus === 0) return 0;
  return Math.max(Math.round(cpus * CPU_PERIOD), QUOTA_LEAST);
}

/** Who dies first when memory runs out: what asked for least of what it uses. */
function oomScore(pod: Pod, container: Container, memoryCapacity: number): number {
  const qos = qosClass(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const request =
    amountOf(container, "requests", "memory") || amountOf(container, "limits", "memory");
  const score = 1000 - Math.floor((1000 * request) / Math.max(memoryCapacity, 1));
  return Math.min(Math.max(score, 3), 999);
}
