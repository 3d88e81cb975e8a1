import { relative } from "node:path";
import type { ClusterSettings, Paths } from "./cluster.ts";

/** What a person reads when the cluster is there: where it is, and what to type next. */
export function summaryOf(settings: ClusterSettings, paths: Paths): string {
  const folder = relative(process.cwd(), paths.data) || ".";
  const data = folder === ".cox" ? "" : ` --data ${folder.startsWith("..") ? paths.data : folder}`;
  const count = settings.nodes.length;
  const nodes = `${count} ${settings.runtime} node${count === 1 ? "" : "s"}`;
  const relaxed =
    settings.durability === "relaxed"
      ? "\n  Durability is relaxed: a power cut can lose the last minutes of writes."
      : "";
  return `
Coxswain is up: Kubernetes v1.35 at https://127.0.0.1:${settings.apiPort}, ${nodes}.${relaxed}

  export KUBECONFIG=${paths.kubeconfig}
  npx cox kubectl${data} get nodes
  npx cox kubectl${data} apply -f examples/web.yaml
  npx cox kubectl${data} get pods -w
`;
}
