import { renameSync, writeFileSync } from "node:fs";
import type { Pki } from "./pki.ts";

/**
 * A kubeconfig (YAML) with everything embedded: the cluster's authority and the administrator's
 * client certificate. `server` is the URL, e.g. `https://127.0.0.1:6443`.
 */
export function kubeconfig(pki: Pki, server: string, name = "coxswain"): string {
  const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");
  const quoted = JSON.stringify(name);
  const user = JSON.stringify(`${name}-admin`);
  return `apiVersion: v1
kind: Config
clusters:
- name: ${quoted}
  cluster:
    server: ${JSON.stringify(server)}
    certificate-authority-data: ${base64(pki.ca.certificate)}
users:
- name: ${user}
  user:
    client-certificate-data: ${base64(pki.admin.certificate)}
    client-key-data: ${base64(pki.admin.key)}
contexts:
- name: ${quoted}
  context:
    cluster: ${quoted}
    user: ${user}
current-context: ${quoted}
`;
}

/** Writes the kubeconfig whole or not at all, readable by its owner only. */
export function writeKubeconfig(path: string, pki: Pki, server: string, name?: string): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, kubeconfig(pki, server, name), { mode: 0o600 });
  renameSync(temporary, path);
}
