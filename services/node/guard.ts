import { type Command, must } from "./command.ts";

/**
 * NodePorts on 127.0.0.1 need the kernel setting route_localnet, which by itself would open all of
 * 127.0.0.0/8 to the machine's neighbours. This chain of the cluster's table keeps it closed: it is
 * there before the setting is, and the proxy keeps it in being.
 */
export const GUARD_CHAIN = "guard-localhost";
export const GUARD_HOOK = "type filter hook prerouting priority -300; policy accept;";
export const GUARD_RULES = ["iif != lo ip daddr 127.0.0.0/8 drop"];

/** Loads the chain where it is missing; `namespace` is a path, undefined: the host. */
export async function guardLocalhost(
  command: Command,
  table: string,
  namespace: string | undefined,
): Promise<void> {
  const where = namespace === undefined ? {} : { networkNamespace: namespace };
  const chain = ["inet", table, GUARD_CHAIN];
  if ((await command("nft", ["list", "chain", ...chain], where)).code === 0) return;
  const lines = [
    `add table inet ${table}`,
    `add chain ${chain.join(" ")} { ${GUARD_HOOK} }`,
    ...GUARD_RULES.map((rule) => `add rule ${chain.join(" ")} ${rule}`),
  ];
  await must(command, "nft", ["-f", "-"], { ...where, input: `${lines.join("\n")}\n` });
}
