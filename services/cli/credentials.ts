/** Passwords of the bus: one user per kind of process, each with its own permissions. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import {
  apiserverUser,
  type BusUser,
  controllersUser,
  nodeUser,
  operatorUser,
  readerUser,
  systemUser,
  verifyUser,
} from "../../nats/permissions.ts";
import { SIMULATED_IDENTITY } from "../kubelet/runtimes/simulated.ts";
import { type ClusterSettings, type Paths, writeWhole } from "./cluster.ts";
import { controlIdentities, nodeIdentities, VERIFY_IDENTITY } from "./identities.ts";
import { HOST_USER, OPERATOR_USER, SIMULATED_USER } from "./users.ts";

const schema = z.strictObject({
  /** Tells this cluster's server from others. */
  cluster: z.string(),
  /** By user: `apiserver`, `controllers`, `cox`, `node-<name>`, `reader`, `system`, `verify`. */
  passwords: z.record(z.string(), z.string()),
});

const USERS = ["apiserver", "controllers", OPERATOR_USER, "reader", "system", "verify"];

export type Credentials = z.infer<typeof schema>;

/** The cluster's credentials, with new ones for users that have none yet. */
export function readCredentials(paths: Paths, settings: ClusterSettings): Credentials {
  const present = existsSync(paths.credentials)
    ? schema.parse(JSON.parse(readFileSync(paths.credentials, "utf8")))
    : { cluster: randomBytes(4).toString("hex"), passwords: {} };
  const users = [...USERS, ...nodeUsers(settings)];
  const missing = users.filter((user) => present.passwords[user] === undefined);
  if (missing.length === 0) return present;
  const passwords = { ...present.passwords };
  for (const user of missing) passwords[user] = randomBytes(24).toString("base64url");
  const credentials = { ...present, passwords };
  writeWhole(paths.credentials, `${JSON.stringify(credentials, null, 2)}\n`);
  return credentials;
}

/** One process plays all simulated nodes, as one user. */
function nodeUsers(settings: ClusterSettings): string[] {
  if (settings.runtime === "simulated") return [SIMULATED_USER];
  const users = settings.nodes.map(({ name }) => `node-${name}`);
  return settings.nodes.length > 1 ? [...users, HOST_USER] : users;
}

/** What is written into the server's configuration. */
export function busUsers(credentials: Credentials, settings: ClusterSettings): BusUser[] {
  const password = (user: string) => credentials.passwords[user] as string;
  return [
    systemUser(password("system")),
    apiserverUser(password("apiserver")),
    controllersUser(password("controllers"), controlIdentities()),
    operatorUser(password(OPERATOR_USER)),
    readerUser(password("reader")),
    verifyUser(password("verify"), VERIFY_IDENTITY),
    ...nodeUsers(settings).map((user) => {
      if (user === SIMULATED_USER) return simulatedNodes(password(user));
      const node = user.replace(/^node-/, "");
      if (user === HOST_USER) return nodeUser(node, password(user), nodeIdentities(), "host");
      return nodeUser(node, password(user), nodeIdentities(node));
    }),
  ];
}

/** One user that beats for all nodes and may touch every node's pods. */
function simulatedNodes(password: string): BusUser {
  const own = nodeUser("nodes", password, [SIMULATED_IDENTITY], "nodes");
  return { ...own, publish: [...own.publish, "heartbeat.>", "heartbeats"] };
}
