/** Who may do what in a cluster: keys, certificates, tokens, passwords of the bus. */
import type { Runtime } from "../../shared/runtime/runtime.ts";
import { writeKubeconfig } from "../apiserver/auth/kubeconfig.ts";
import { ensurePki } from "../apiserver/auth/pki.ts";
import { ensureTokenFile } from "../apiserver/auth/token-file.ts";
import { clusterNetwork } from "../node/network.ts";
import type { ClusterSettings, Paths } from "./cluster.ts";
import { type Credentials, readCredentials } from "./credentials.ts";
import { hostAddress } from "./process-node.ts";

/** Writes into the data folder what is missing there, and the administrator's kubeconfig. */
export function prepareAccess(
  settings: ClusterSettings,
  paths: Paths,
  runtime: Runtime,
): Credentials {
  const credentials = readCredentials(paths, settings);
  const pki = ensurePki(paths.data, servingNames(settings), runtime);
  ensureTokenFile(paths.token, runtime);
  writeKubeconfig(paths.kubeconfig, pki, `https://127.0.0.1:${settings.apiPort}`, settings.name);
  return credentials;
}

/** Addresses and names for which the apiservers' certificate holds. */
export function servingNames({ slot, addresses }: ClusterSettings): string[] {
  const network = clusterNetwork(slot);
  return [network.kubernetesAddress, network.hostAddress, ...(addresses ?? [hostAddress()])];
}
