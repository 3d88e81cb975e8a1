import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Command, must } from "./command.ts";
import { clusterNetwork, overlap, parseRange, SLOTS } from "./network.ts";

/** Where the clusters of this machine note their slots; gone after a reboot, as networks are. */
export const SLOTS_DIRECTORY = "/run/coxswain/slots";

export interface SlotRequest {
  /** Absolute path of the cluster's data folder: the owner. */
  readonly dataDirectory: string;
  /** The slot it had before; taken again when it is free. */
  readonly preferred?: number;
  /** Slots that cannot be used for other reasons (see `slotsInUse`). */
  readonly avoid?: ReadonlySet<number>;
  /** Default: SLOTS_DIRECTORY. */
  readonly directory?: string;
}

/**
 * Takes a network slot for a cluster: the one it holds already, else the preferred one, else the
 * lowest free one. A slot whose owner's data folder is gone is free.
 * @throws Error when all slots are taken.
 */
export function claimSlot(request: SlotRequest): number {
  const directory = request.directory ?? SLOTS_DIRECTORY;
  mkdirSync(directory, { recursive: true });
  const owners = readOwners(directory);
  for (const [slot, owner] of owners) {
    if (owner === request.dataDirectory) return slot;
  }
  const candidates = Array.from({ length: SLOTS }, (_, slot) => slot);
  if (request.preferred !== undefined) candidates.unshift(request.preferred);
  for (const slot of candidates) {
    if (request.avoid?.has(slot)) continue;
    const owner = owners.get(slot);
    if (owner !== undefined && existsSync(owner)) continue;
    if (owner !== undefined) release(directory, slot, owner);
    if (take(directory, slot, request.dataDirectory)) return slot;
  }
  throw new Error(`all ${SLOTS} network slots of this machine are taken: ${describe(owners)}`);
}

/** Gives the cluster's slot back. Does nothing when it holds none. */
export function releaseSlot(dataDirectory: string, directory: string = SLOTS_DIRECTORY): void {
  for (const [slot, owner] of readOwners(directory)) {
    if (owner === dataDirectory) release(directory, slot, owner);
  }
}

/** Data folders by slot. */
export function readOwners(directory: string = SLOTS_DIRECTORY): Map<number, string> {
  const owners = new Map<number, string>();
  for (const name of existsSync(directory) ? readdirSync(directory).sort() : []) {
    if (!/^\d+$/.test(name)) continue;
    try {
      owners.set(Number(name), readFileSync(join(directory, name), "utf8").trim());
    } catch (error) {
      // Released between the listing and the reading.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return owners;
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
}

/**
 * Slots whose addresses the machine uses for something else: a route of another device lies in
 * them (a VPN, a container engine, another Kubernetes).
 */
export async function slotsInUse(command: Command): Promise<Set<number>> {
  const text = await must(command, "ip", ["-j", "-4", "route", "show", "table", "all"]);
  const routes = JSON.parse(text || "[]") as Route[];
  const used = new Set<number>();
  for (let slot = 0; slot < SLOTS; slot++) {
    const network = clusterNetwork(slot);
    const ranges = [network.podCidr, network.serviceCidr, network.nodeCidr].map(parseRange);
    const foreign = routes.some(
      (route) =>
        /^\d/.test(route.dst) &&
        !route.dev?.startsWith(network.bridge) &&
        !isOwn(route, network.podCidr) &&
        ranges.some((range) => overlap(range, parseRange(route.dst))),
    );
    if (foreign) used.add(slot);
  }
  return used;
}

/** Routes that clusters leave beside their bridge: to pods of the host's own network. */
function isOwn(route: Route, podCidr: string): boolean {
  if (route.type === "unreachable") return route.dst === podCidr;
  return route.dev?.startsWith("veth") === true && !route.dst.includes("/");
}

/** A complete file appears under its name, or nothing: nobody can read half a claim. */
function take(directory: string, slot: number, owner: string): boolean {
  const draft = join(directory, `.${slot}.${process.pid}`);
  writeFileSync(draft, `${owner}\n`);
  try {
    linkSync(draft, join(directory, String(slot)));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function release(directory: string, slot: number, owner: string): void {
  // Only what was read: somebody else may have reclaimed the slot meanwhile.
  if (readOwners(directory).get(slot) === owner) {
    rmSync(join(directory, String(slot)), { force: true });
  }
}

function describe(owners: Map<number, string>): string {
  return [...owners].map(([slot, owner]) => `${slot} by ${owner}`).join(", ");
}
