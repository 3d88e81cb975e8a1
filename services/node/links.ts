import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Command, CommandError, must } from "./command.ts";
import { guardLocalhost } from "./guard.ts";
import type { ClusterNetwork, NodeNetwork } from "./network.ts";
import { changeSettings, restoreSettings } from "./settings.ts";

/**
 * The cables between the host and its nodes. Every function can be repeated at any time, and
 * changes only what is not yet as it should be.
 */

/** Gives the host the bridge to its nodes, its address there, and the route to the ClusterIPs. */
export async function plugHost(command: Command, network: ClusterNetwork): Promise<void> {
  const { bridge } = network;
  if (!(await hasLink(command, bridge))) {
    await tolerate(command, "ip", ["link", "add", bridge, "type", "bridge"], "File exists");
  }
  const bits = network.nodeCidr.split("/")[1];
  // One program for all: this is on the way of a node's return.
  const lines = [
    `link set ${bridge} mtu ${mtu()} up`,
    `address replace ${network.hostAddress}/${bits} dev ${bridge}`,
    // Without a route nothing can be sent to a ClusterIP on a machine that is offline; with it the
    // packets get an address of the cluster as their source, and never leave the machine as they
    // are.
    `route replace ${network.serviceCidr} dev ${bridge} src ${network.hostAddress}`,
    // Pods have routes of their own; an address that no pod has is unreachable at once, instead of
    // being looked for behind the way out.
    `route replace unreachable ${network.podCidr}`,
  ];
  await must(command, "ip", ["-batch", "-"], { input: `${lines.join("\n")}\n` });
  await guardLocalhost(command, network.table, undefined);
  changeSettings({
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",
    [`net/ipv4/conf/${bridge}/send_redirects`]: "0",
  });
}

/** Takes the bridge away, and with it every route over it; then the packet filter's table. */
export async function unplugHost(command: Command, network: ClusterNetwork): Promise<void> {
  await tolerate(
    command,
    "ip",
    ["route", "del", "unreachable", network.podCidr],
    "No such process",
  );
  await removeLink(command, network.bridge);
  const others = await command("ip", ["-j", "link", "show", "type", "bridge"]);
  const names = (JSON.parse(others.stdout || "[]") as { ifname?: string }[]).map(
    (one) => one.ifname,
  );
  if (!names.some((name) => name !== undefined && /^cox\d+$/.test(name))) restoreSettings();
  await command("nft", ["delete", "table", "inet", network.table]);
}

/** Gives an isolated node its network namespace, its cable to the bridge, and the routes. */
export async function plugNode(
  command: Command,
  network: ClusterNetwork,
  node: NodeNetwork,
): Promise<void> {
  const { namespace, cable } = node;
  if (namespace === undefined || cable === undefined) return;
  const name = basename(namespace);
  if (!existsSync(namespace)) await tolerate(command, "ip", ["netns", "add", name], "File exists");
  if (!(await hasLink(command, cable))) {
    // Left over when the namespace was removed by hand: the other end has gone with it.
    await tolerate(
      command,
      "ip",
      ["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name],
      "File exists",
    );
  }
  const size = String(mtu());
  const inside = (...args: string[]): Promise<string> => must(command, "ip", ["-n", name, ...args]);
  await must(command, "ip", ["link", "set", cable, "master", network.bridge, "mtu", size, "up"]);
  await inside("link", "set", "lo", "up");
  await inside("link", "set", "eth0", "mtu", size, "up");
  const bits = network.nodeCidr.split("/")[1];
  await inside("address", "replace", `${node.address}/${bits}`, "dev", "eth0");
  await inside("route", "replace", "default", "via", network.hostAddress);
  await inside("route", "replace", "unreachable", node.podCidr);
  await guardLocalhost(command, network.table, namespace);
  await writeSettings(command, namespace, {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",
  });
  await must(command, "ip", [
    ...["route", "replace", node.podCidr, "via", node.address, "dev", network.bridge],
  ]);
}

/** Removes an isolated node's namespace, cable and route. Its processes must have ended before. */
export async function unplugNode(
  command: Command,
  network: ClusterNetwork,
  node: NodeNetwork,
): Promise<void> {
  if (node.namespace === undefined || node.cable === undefined) return;
  await command("ip", ["route", "del", node.podCidr, "dev", network.bridge]);
  await removeLink(command, node.cable);
  if (existsSync(node.namespace)) {
    const name = basename(node.namespace);
    await tolerate(command, "ip", ["netns", "del", name], "No such file");
  }
}

/** The largest packet that the machine's way out takes, so that nothing has to be split there. */
export function mtu(): number {
  const [, ...routes] = readFileSync("/proc/net/route", "utf8").split("\n");
  const fields = routes.map((line) => line.split("\t"));
  const device = fields.find(([, to, , , , , , mask]) => to === ANY && mask === ANY)?.[0];
  if (device === undefined) return STANDARD_MTU;
  return Math.min(Number(readFileSync(`/sys/class/net/${device}/mtu`, "utf8")), STANDARD_MTU);
}

/** The default route's destination and mask in /proc/net/route. */
const ANY = "00000000";
const STANDARD_MTU = 1500;

async function hasLink(command: Command, name: string): Promise<boolean> {
  return (await command("ip", ["link", "show", "dev", name])).code === 0;
}

async function removeLink(command: Command, name: string): Promise<void> {
  if (await hasLink(command, name)) {
    await tolerate(command, "ip", ["link", "del", name], "Cannot find device");
  }
}

/** Runs it; the named failure means that somebody else was faster. */
async function tolerate(
  command: Command,
  program: string,
  args: readonly string[],
  failure: string,
): Promise<void> {
  const result = await command(program, args);
  if (result.code !== 0 && !result.stderr.includes(failure)) {
    throw new CommandError(program, args, result);
  }
}

/** Kernel settings of a network namespace, which can only be written from inside. */
async function writeSettings(
  command: Command,
  namespace: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const lines = Object.entries(settings).map(
    ([name, value]) =>
      `[ "$(cat /proc/sys/${name})" = ${value} ] || echo ${value} > /proc/sys/${name}`,
  );
  await must(command, "sh", ["-ec", lines.join("\n")], { networkNamespace: namespace });
}
