import type { NodeRuntime } from "../cluster.ts";
import type { ProcessKind } from "../layout.ts";
import { HOST_USER, SIMULATED_USER } from "../users.ts";

/** Actors of the processes whose actors are always the same. */
export function fixedActors(kind: ProcessKind, runtime: NodeRuntime): readonly string[] {
  if (kind === "node") return runtime === "process" ? ["kubelet"] : ["kubelet", "proxy", "dns"];
  if (kind === "nodes") return ["kubelet"];
  return kind === "host" ? ["proxy"] : [];
}

/** The bus user of a process. */
export function userOf(kind: ProcessKind, name: string): string {
  if (kind === "apiserver") return "apiserver";
  if (kind === "control") return "controllers";
  if (kind === "verify") return "verify";
  if (kind === "nodes") return SIMULATED_USER;
  return kind === "host" ? HOST_USER : name;
}
