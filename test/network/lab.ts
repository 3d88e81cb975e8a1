import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { must } from "../../services/node/command.ts";
import { command, inside } from "./machine.ts";

const SPEAKER = fileURLToPath(new URL("speaker.mjs", import.meta.url));

/**
 * A node with two pods and an outside client, all of them network namespaces; the machine's own
 * network is not touched.
 */
export interface Lab {
  readonly node: string;
  readonly podA: string;
  readonly podB: string;
  readonly client: string;
  /** Starts an answering server; resolves when it listens. */
  serve(where: string, protocol: "tcp" | "udp", port: number, name: string): Promise<void>;
  /** Asks `count` times. @returns the answers or error codes. */
  ask(
    where: string,
    protocol: "tcp" | "udp",
    address: string,
    port: number,
    count?: number,
    ownPort?: number,
  ): Promise<string[]>;
  remove(): Promise<void>;
}

export const POD_A = "10.244.0.2";
export const POD_B = "10.244.0.3";
export const NODE_OUTSIDE = "198.51.100.1";
export const NODE_INSIDE = "172.30.0.1";
export const CLIENT = "198.51.100.2";

export async function buildLab(): Promise<Lab> {
  const tag = `lab${process.pid}`;
  const path = (name: string): string => `/run/netns/${tag}-${name}`;
  const servers: ChildProcess[] = [];
  const ip = (name: string, ...args: string[]): Promise<string> =>
    must(command, "ip", ["-n", `${tag}-${name}`, ...args]);
  const names = ["node", "a", "b", "client"];
  const lab: Lab = {
    node: path("node"),
    podA: path("a"),
    podB: path("b"),
    client: path("client"),
    serve: (where, protocol, port, name) =>
      new Promise((resolve, reject) => {
        const words = [process.execPath, SPEAKER, "serve", protocol, String(port), name];
        const child = spawn("nsenter", [`--net=${where}`, "--", ...words]);
        servers.push(child);
        child.stdout.once("data", () => resolve());
        child.stderr.once("data", (data) => reject(new Error(String(data))));
      }),
    ask: async (where, protocol, address, port, count = 1, ownPort = 0) => {
      const words = ["ask", protocol, address, String(port), String(count), String(ownPort)];
      const text = await must(inside(where), process.execPath, [SPEAKER, ...words]);
      return text.trim().split("\n");
    },
    remove: async () => {
      for (const server of servers) server.kill("SIGKILL");
      for (const name of names) await command("ip", ["netns", "del", `${tag}-${name}`]);
    },
  };
  try {
    for (const name of names) {
      await must(command, "ip", ["netns", "add", `${tag}-${name}`]);
      await ip(name, "link", "set", "lo", "up");
    }
    await cable(ip, tag, "client", CLIENT, NODE_OUTSIDE, "24");
    await cable(ip, tag, "a", POD_A, "10.244.0.1", "32");
    await cable(ip, tag, "b", POD_B, "10.244.0.1", "32");
    await ip("node", "link", "add", "cox0", "type", "bridge");
    await ip("node", "address", "add", `${NODE_INSIDE}/24`, "dev", "cox0");
    await ip("node", "link", "set", "cox0", "up");
    await ip("node", "route", "add", "10.96.0.0/16", "dev", "cox0", "src", NODE_INSIDE);
    const settings = ["ip_forward", "conf/all/route_localnet"];
    const lines = settings.map((name) => `echo 1 > /proc/sys/net/ipv4/${name}`).join("; ");
    await must(inside(lab.node), "sh", ["-ec", lines]);
  } catch (error) {
    await lab.remove();
    throw error;
  }
  return lab;
}

type Ip = (name: string, ...args: string[]) => Promise<string>;

/** Between a namespace and the node, routed as the ptp plugin does. */
async function cable(
  ip: Ip,
  tag: string,
  name: string,
  address: string,
  gateway: string,
  bits: string,
): Promise<void> {
  const peer = ["peer", "name", "eth0", "netns", `${tag}-${name}`];
  await ip("node", "link", "add", `to-${name}`, "type", "veth", ...peer);
  await ip("node", "link", "set", `to-${name}`, "up");
  await ip("node", "address", "add", `${gateway}/${bits}`, "dev", `to-${name}`);
  await ip(name, "link", "set", "eth0", "up");
  await ip(name, "address", "add", `${address}/${bits}`, "dev", "eth0");
  if (bits === "32") {
    await ip("node", "route", "add", address, "dev", `to-${name}`);
    await ip(name, "route", "add", gateway, "dev", "eth0");
  }
  await ip(name, "route", "add", "default", "via", gateway);
}
