import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where distributions put the CNI plugins: Debian, Fedora, upstream. */
const PLUGIN_PLACES = ["/usr/lib/cni", "/usr/libexec/cni", "/opt/cni/bin"];
const PLUGINS_NEEDED = ["ptp", "host-local", "loopback"];
/** libcni notes there what it set up, whatever the configuration says. */
const RESULTS = "/var/lib/cni/results";

export interface CniOptions {
  /** Folder for the configuration that the container runtime reads. */
  readonly configDirectory: string;
  /** Folder in which handed out addresses are noted. */
  readonly addressDirectory: string;
  /** Unique on the machine. */
  readonly networkName: string;
  readonly podCidr: string;
  readonly mtu: number;
}

/** The folder with the plugins that pods need, or undefined. */
export function findPlugins(): string | undefined {
  return PLUGIN_PLACES.find((place) =>
    PLUGINS_NEEDED.every((plugin) => existsSync(join(place, plugin))),
  );
}

/**
 * The pod network of a node: a cable from each pod to the node, which routes (no bridge: replies of
 * Services pass the node's packet filter on their way back in any case, without br_netfilter).
 * Masquerading and host ports are rules of the proxy's table.
 */
export function conflist(options: CniOptions): string {
  return `${JSON.stringify(
    {
      cniVersion: "0.4.0",
      name: options.networkName,
      plugins: [
        {
          type: "ptp",
          ipMasq: false,
          mtu: options.mtu,
          ipam: {
            type: "host-local",
            dataDir: options.addressDirectory,
            ranges: [[{ subnet: options.podCidr }]],
            routes: [{ dst: "0.0.0.0/0" }],
          },
        },
      ],
    },
    undefined,
    2,
  )}\n`;
}

/** Writes the configuration; the runtime notices by itself. */
export function writeConflist(options: CniOptions): void {
  mkdirSync(options.configDirectory, { recursive: true });
  mkdirSync(options.addressDirectory, { recursive: true });
  writeFileSync(join(options.configDirectory, "10-coxswain.conflist"), conflist(options));
}

/** Forgets all addresses of the network: after its pods have ended without telling the plugins. */
export function forgetAddresses(options: Pick<CniOptions, "addressDirectory" | "networkName">) {
  rmSync(options.addressDirectory, { recursive: true, force: true });
  for (const name of existsSync(RESULTS) ? readdirSync(RESULTS) : []) {
    if (name.startsWith(`${options.networkName}-`)) rmSync(join(RESULTS, name), { force: true });
  }
}
