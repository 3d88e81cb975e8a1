import type { BusUser } from "./permissions.ts";

/** How writes are kept when the power fails (DESIGN D3). */
export type Durability = "strict" | "relaxed";

export interface ServerSettings {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly storeDirectory: string;
  /** Absent: what it has to say goes to standard error. */
  readonly logFile?: string;
  readonly pidFile?: string;
  readonly durability: Durability;
  /**
   * When the server calls fsync: `always`, or an interval such as `2m`. Default: `always` for
   * strict, the server's own default of two minutes for relaxed.
   */
  readonly sync?: string;
  readonly users: readonly BusUser[];
  /** With others, which `name` then stands for: each is started with a `--name` of its own. */
  readonly cluster?: ServerCluster;
}

/** Servers that keep copies of each other's logs. */
export interface ServerCluster {
  /** Where the others reach this one, `host:port`. */
  readonly listen: string;
  /** Of all, as `host:port`. */
  readonly routes: readonly string[];
}

/** Largest message in bytes; see VALUE_BYTES_MAX. */
export const MAX_PAYLOAD = 4 * 1024 * 1024;

/**
 * The configuration of nats-server, with the reason for each setting.
 * @throws Error when strict durability is asked for together with a weaker setting.
 */
export function serverConfig(settings: ServerSettings): string {
  const sync = settings.sync ?? (settings.durability === "strict" ? "always" : "2m");
  if (settings.durability === "strict" && sync !== "always") {
    throw new Error(
      `sync_interval ${sync} can lose acknowledged writes in a power cut; ` +
        "use --durability relaxed to accept that",
    );
  }
  return `# Written by Coxswain at every start; changes are lost.
${ownName(settings)}listen: ${text(`${settings.host}:${settings.port}`)}
# Kubernetes objects are up to 3 MB as requests; the default of 1 MB is too small.
max_payload: ${MAX_PAYLOAD}
# A reader this far behind is cut off; a whole snapshot may be under way to each projection.
max_pending: 256MB
# A peer that is silent is noticed in seconds, not minutes.
ping_interval: "5s"
ping_max: 3
${filesOf(settings)}${clusterOf(settings)}jetstream {
  store_dir: ${text(settings.storeDirectory)}
  # ${syncReason(sync)}
  sync_interval: ${sync}
  # Everything is kept in files; memory is for consumers' state.
  max_memory_store: 64MB
}
# Who may say and hear what; everything that is not listed is denied.
accounts {
  CLUSTER {
    jetstream: enabled
    users: [
${settings.users
  .filter((user) => !user.system)
  .map(userConfig)
  .join("\n")}
    ]
  }
  # Server settings can be asked for here, to make sure that they are what was written above.
  SYS {
    users: [
${settings.users
  .filter((user) => user.system)
  .map(userConfig)
  .join("\n")}
    ]
  }
}
system_account: SYS
`;
}

function ownName({ name, cluster }: ServerSettings): string {
  if (cluster !== undefined) return "";
  return `# Tells this server from another one that may have taken the port.
server_name: ${text(name)}
# Only this machine: nodes elsewhere need TLS, and a server of their own choice.
`;
}

function filesOf({ logFile, pidFile }: ServerSettings): string {
  const lines: string[] = [];
  if (logFile !== undefined) {
    lines.push(`log_file: ${text(logFile)}`);
    lines.push("# The log grows by restarts and errors only; this bounds it all the same.");
    lines.push("log_size_limit: 16MB");
  }
  if (pidFile !== undefined) {
    lines.push("# Whoever starts the cluster again after a crash finds a server left behind.");
    lines.push(`pid_file: ${text(pidFile)}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function clusterOf({ name, cluster }: ServerSettings): string {
  if (cluster === undefined) return "";
  const routes = cluster.routes.map((route) => `nats://${route}`);
  return `cluster {
  name: ${text(name)}
  listen: ${text(cluster.listen)}
  routes: ${list(routes)}
}
`;
}

function syncReason(sync: string): string {
  return sync === "always"
    ? "A write is acknowledged when it is on the disk: a power cut loses none."
    : "Relaxed durability was asked for: a power cut loses what was written since the last sync.";
}

function userConfig(user: BusUser): string {
  const login = `user: ${text(user.user)}, password: ${text(user.password)}`;
  if (user.system) return `      { ${login} }`;
  const answers = user.answers ? '\n        allow_responses: { max: -1, expires: "5m" }' : "";
  return `      { ${login}, permissions: {
        publish: { allow: ${list(user.publish)} }
        subscribe: { allow: ${list(user.subscribe)} }${answers}
      } }`;
}

function list(values: readonly string[]): string {
  return `[${values.map(text).join(", ")}]`;
}

/** The configuration's strings are written as JSON's, which it reads. */
function text(value: string): string {
  return JSON.stringify(value);
}
