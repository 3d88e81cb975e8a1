import { existsSync, readFileSync } from "node:fs";
import { pathsOf } from "./cluster.ts";

/** The administrator's kubeconfig, as YAML. @throws Error when there is no cluster. */
export function kubeconfigText(data: string): string {
  const { kubeconfig } = pathsOf(data);
  if (existsSync(kubeconfig)) return readFileSync(kubeconfig, "utf8");
  throw new Error(`There is no cluster in ${data}; start one with \`cox up\`.`);
}
