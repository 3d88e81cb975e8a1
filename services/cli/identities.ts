/** Kubernetes users under which the processes ask the apiserver (DESIGN D14). */
import { controllers } from "../controllers/index.ts";

export const SCHEDULER = "system:kube-scheduler";
export const PROXY = "system:kube-proxy";
export const VERIFY_IDENTITY = "system:controller:verify";
export const DNS = "system:kube-dns";

export function controllerIdentity(name: string): string {
  return `system:controller:${name}`;
}

export function nodeIdentity(node: string): string {
  return `system:node:${node}`;
}

/** Of the control process: the scheduler and every controller. */
export function controlIdentities(): string[] {
  const names = controllers({ rootCertificate: "" }).map(({ name }) => name);
  return [SCHEDULER, ...names.map(controllerIdentity)];
}

/** Of a node's process: kubelet, proxy and DNS; without a node, those of the host's proxy. */
export function nodeIdentities(node?: string): string[] {
  return node === undefined ? [PROXY] : [nodeIdentity(node), PROXY, DNS];
}
