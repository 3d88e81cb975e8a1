import type { Logger } from "../../shared/actor/dependencies.ts";
import { type Command, CommandError, type CommandResult } from "../node/command.ts";
import { forgetArguments, parseFlows, staleFlows } from "./flows.ts";
import {
  adoptScript,
  changeScript,
  namesOf,
  type Ruleset,
  replaceScript,
  type Script,
  type TableNames,
} from "./ruleset.ts";
import type { ServicePortFacts } from "./services.ts";

export interface KernelOptions {
  readonly command: Command;
  readonly logger: Logger;
  /** Network namespace (a path) whose rules these are; undefined: the host's. */
  readonly networkNamespace: string | undefined;
}

/** The rules in the kernel, as far as this process has put them there. */
export class Kernel {
  readonly #options: KernelOptions;
  /** What is loaded; undefined: unknown. */
  #loaded: Ruleset | undefined;
  /** How the kernel lists the table since our last change; undefined: not yet looked at. */
  #listing: string | undefined;
  #warned = false;

  constructor(options: KernelOptions) {
    this.#options = options;
  }

  /**
   * Brings the kernel to these rules by one transaction. @returns whether anything had to change.
   * @throws CommandError when nft refuses even the complete table; nothing has changed then.
   */
  async apply(next: Ruleset): Promise<boolean> {
    const script = await this.#scriptFor(next);
    if (script.change === "" && script.cleanup === "") {
      this.#loaded = next;
      return false;
    }
    this.#listing = undefined;
    const result = await this.#nft(script.change);
    if (result.code !== 0) {
      this.#options.logger.warn(
        { reason: result.stderr.trim() },
        "rules refused; loading all anew",
      );
      this.#loaded = undefined;
      const whole = await this.#nft(replaceScript(next).change);
      if (whole.code !== 0) throw new CommandError("nft", ["-f", "-"], whole);
    } else if (script.cleanup !== "") {
      const cleaned = await this.#nft(script.cleanup);
      // What stays is empty and unreachable; the next complete load removes it.
      if (cleaned.code !== 0) {
        this.#options.logger.warn({ reason: cleaned.stderr.trim() }, "unused rules not removed");
      }
    }
    this.#loaded = next;
    return true;
  }

  /** True unless somebody else has changed or removed our table since the last change. */
  async intact(): Promise<boolean> {
    const loaded = this.#loaded;
    if (loaded === undefined) return false;
    const listing = await this.#list(loaded.table);
    const changed = this.#listing !== undefined && this.#listing !== listing;
    if (listing === undefined || changed || !holdsAll(namesIn(listing), namesOf(loaded))) {
      this.#loaded = undefined;
      return false;
    }
    this.#listing = listing;
    return true;
  }

  /** Has UDP flows forgotten that go where no endpoint is. */
  async forgetStale(ports: readonly ServicePortFacts[]): Promise<void> {
    const listings = ["ipv4", "ipv6"].map((family) =>
      this.#run("conntrack", ["-L", "-p", "udp", "-f", family]),
    );
    for (const listing of await Promise.all(listings)) {
      if (listing.code !== 0 && !this.#warned) {
        this.#warned = true;
        const reason = listing.stderr.trim();
        this.#options.logger.warn({ reason }, "UDP flows to gone endpoints cannot be found");
      }
      for (const flow of staleFlows(parseFlows(listing.stdout), ports)) {
        await this.#run("conntrack", forgetArguments(flow));
      }
    }
  }

  async #scriptFor(next: Ruleset): Promise<Script> {
    if (this.#loaded !== undefined) return changeScript(this.#loaded, next);
    const listing = await this.#list(next.table);
    return listing === undefined ? replaceScript(next) : adoptScript(namesIn(listing), next);
  }

  /** The table without the elements of its sets; undefined when there is none. */
  async #list(table: string): Promise<string | undefined> {
    const result = await this.#run("nft", ["-j", "-t", "list", "table", "inet", table]);
    return result.code === 0 ? result.stdout : undefined;
  }

  #nft(script: string): Promise<CommandResult> {
    return this.#run("nft", ["-f", "-"], script);
  }

  #run(program: string, args: readonly string[], input?: string): Promise<CommandResult> {
    const { command, networkNamespace } = this.#options;
    return command(program, args, {
      ...(input === undefined ? {} : { input }),
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
    });
  }
}

function holdsAll(there: TableNames, wanted: TableNames): boolean {
  return (["sets", "maps", "chains"] as const).every((kind) =>
    [...wanted[kind]].every((name) => there[kind].has(name)),
  );
}

interface Listing {
  readonly nftables: readonly Readonly<Record<string, { readonly name?: string }>>[];
}

/** Names of what nft's JSON listing of a table holds. */
export function namesIn(listing: string): TableNames {
  const names = { sets: new Set<string>(), maps: new Set<string>(), chains: new Set<string>() };
  for (const entry of (JSON.parse(listing) as Listing).nftables) {
    if (entry["set"]?.name !== undefined) names.sets.add(entry["set"].name);
    if (entry["map"]?.name !== undefined) names.maps.add(entry["map"].name);
    if (entry["chain"]?.name !== undefined) names.chains.add(entry["chain"].name);
  }
  return names;
}
