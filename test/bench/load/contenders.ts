/** Who takes part: our own build, other builds, and any API server that runs already. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Client, MERGE_PATCH, type Target } from "./client.ts";
import { fromKubeconfig } from "./kubeconfig.ts";
import { PREFIX, playNodes } from "./player.ts";
import type { Process } from "./processes.ts";
import { type Cluster, ownCluster, processesOf, type StartUp } from "./target.ts";

export interface Contender {
  readonly name: string;
  /** Another Coxswain. */
  readonly sibling: boolean;
  /** A cluster with so many nodes. `stop` puts back what this has changed. */
  open(nodes: number): Promise<Cluster>;
}

export interface Settings {
  readonly durability: string;
  /** Nodes are played also where they could be simulated. */
  readonly played: boolean;
}

export const SPEC_USAGE = `FOLDER                    a folder with a peer.json
  kubeconfig=FILE           a server that runs already; inline or file credentials
  server=URL[,ca=FILE][,token=TOKEN][,insecure]
  data=FOLDER               a Coxswain cluster that runs already
  checkout=FOLDER           another checkout of Coxswain, built: clusters started like our own
  and after any of them [,name=NAME] and, for servers, [,process=NAME=PID ...][,durability=TEXT]`;

interface Peer {
  readonly name: string;
  readonly kubeconfig: string;
  readonly processes?: Readonly<Record<string, number>>;
  readonly durability?: string;
  /** Milliseconds from the start of its first process. */
  readonly startUp?: { readonly readyz: number };
}

/** @throws Error on a text that is not of the form of SPEC_USAGE */
export function contender(spec: string, settings: Settings): Contender {
  if (existsSync(join(spec, "peer.json"))) return ofPeer(spec, settings);
  const fields = new Map<string, string>();
  const processes: Process[] = [];
  for (const part of spec.split(",")) {
    const at = part.indexOf("=");
    const [field, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    const [name = "", pid] = value.split("=");
    if (field === "process" && Number(pid) > 1) processes.push({ name, pid: Number(pid) });
    else if (FIELDS.has(field)) fields.set(field, value);
    else throw new Error(`"${part}" in "${spec}"; it takes\n  ${SPEC_USAGE}`);
  }
  const named = fields.get("name");
  const [checkout, data] = [fields.get("checkout"), fields.get("data")];
  if (checkout !== undefined) return ofCheckout(named ?? checkout, checkout, settings);
  const durability = fields.get("durability") ?? "as its owner set it";
  if (data !== undefined) {
    const folder = resolve(data);
    const target = fromKubeconfig(join(folder, "kubeconfig"));
    const known = () => processesOf(folder);
    return given({ name: named ?? data, sibling: true, target, known, durability, settings });
  }
  const target = targetOf(fields);
  const name = named ?? target.server;
  return given({ name, sibling: false, target, known: () => processes, durability, settings });
}

const FIELDS = new Set(
  "kubeconfig server ca token insecure data checkout name durability".split(" "),
);

function targetOf(fields: ReadonlyMap<string, string>): Target {
  const [file, server] = [fields.get("kubeconfig"), fields.get("server")];
  if (file !== undefined) return fromKubeconfig(file);
  if (server === undefined) throw new Error(`which server? It takes\n  ${SPEC_USAGE}`);
  const [ca, token] = [fields.get("ca"), fields.get("token")];
  return {
    server,
    insecure: fields.has("insecure"),
    ...(ca !== undefined && { ca: readFileSync(ca, "utf8") }),
    ...(token !== undefined && { token }),
  };
}

function ofPeer(folder: string, settings: Settings): Contender {
  const peer = JSON.parse(readFileSync(join(folder, "peer.json"), "utf8")) as Peer;
  const processes = Object.entries(peer.processes ?? {}).map(([name, pid]) => ({ name, pid }));
  const target = fromKubeconfig(resolve(folder, peer.kubeconfig));
  const durability = peer.durability ?? "as its owner set it";
  return given({
    ...{ name: peer.name, sibling: false, target, durability, settings },
    known: () => processes,
    ...(peer.startUp && { startUp: { answered: peer.startUp.readyz } }),
  });
}

/** Clusters of a checkout's build, started for each part of the run. */
export function ofCheckout(name: string, checkout: string, settings: Settings): Contender {
  const { durability, played } = settings;
  return {
    ...{ name, sibling: true },
    open: async (nodes) => {
      const cluster = await ownCluster({ checkout, durability, nodes: played ? 1 : nodes });
      try {
        return played ? await withPlayer(cluster, nodes) : cluster;
      } catch (error) {
        await cluster.stop();
        throw error;
      }
    },
  };
}

interface Given {
  readonly name: string;
  readonly sibling: boolean;
  readonly target: Target;
  readonly known: () => readonly Process[];
  readonly durability: string;
  readonly settings: Settings;
  readonly startUp?: StartUp;
}

/** A server that runs already: without nodes of its own they are played. */
function given({ name, sibling, target, known, durability, settings, startUp }: Given): Contender {
  return {
    ...{ name, sibling },
    open: async (nodes) => {
      const client = new Client(target, 1);
      const { length: own } = await ownNodes(client);
      client.close();
      const description = `${target.server}, ${own} nodes of its own, durability: ${durability}`;
      const stop = async (): Promise<void> => {};
      const cluster: Cluster = {
        ...{ target, description, own: false, stop, ...(startUp && { startUp }) },
        get processes() {
          return known();
        },
      };
      if (own === 0 || settings.played) {
        return withPlayer(cluster, nodes);
      }
      if (nodes === 1 || own === nodes) return cluster;
      throw new Error(`${name} has ${own} nodes, ${nodes} are needed: --played plays them`);
    },
  };
}

/** Its own nodes, if it has any, take no more pods until the end. */
async function withPlayer(cluster: Cluster, nodes: number): Promise<Cluster> {
  const { target, own, startUp } = cluster;
  const client = new Client(target, 1);
  const others = await ownNodes(client);
  const cordon = async (unschedulable: boolean): Promise<void> => {
    for (const name of others) {
      const patch = { spec: { unschedulable } };
      await client.ok("PATCH", `/api/v1/nodes/${name}`, patch, MERGE_PATCH);
    }
    client.close();
  };
  await cordon(true);
  const player = await playNodes(target, nodes);
  return {
    ...{ target, own, ...(startUp && { startUp }) },
    description: `${cluster.description}, and ${nodes} played nodes`,
    get processes() {
      return [...cluster.processes, player.process];
    },
    stop: async () => {
      await player.stop();
      if (!own) await cordon(false);
      await cluster.stop();
    },
  };
}

async function ownNodes(client: Client): Promise<string[]> {
  const { items } = await client.json<{ items: { metadata: { name: string } }[] }>("/api/v1/nodes");
  const names = items.map(({ metadata }) => metadata.name);
  return names.filter((name) => !name.startsWith(PREFIX));
}
