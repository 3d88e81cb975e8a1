import { escapeToken, identityToken, type LogName, streamOf } from "./subjects.ts";

const LOG_NAMES: readonly LogName[] = ["cluster", "events", "leases"];

/** A user of the bus and what it may say and hear (DESIGN D14). Nothing else is allowed. */
export interface BusUser {
  readonly user: string;
  readonly password: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /**
   * May answer each request that it receives, on the request's reply subject. For five minutes the
   * server remembers every reply subject that `publish` does not allow already.
   */
  readonly answers?: boolean;
  /** The server's own account: sees the server's configuration, nothing of the cluster. */
  readonly system?: boolean;
}

/** Where a user's answers arrive. A prefix for each, so that nobody can listen to another's. */
export function inboxPrefix(user: string): string {
  return `_INBOX.${escapeToken(user)}`;
}

/** The only user that may write the logs. Answers everybody, and reaches node agents. */
export function apiserverUser(password: string): BusUser {
  return {
    user: "apiserver",
    password,
    publish: [
      "$KV.>",
      "compaction.>",
      "$JS.API.>",
      "$JS.FC.>",
      "_INBOX.>",
      "node.>",
      "stream.>",
      "actors.>",
      "decisions.>",
    ],
    subscribe: [
      ...inboxOf("apiserver"),
      "api.>",
      "heartbeat.>",
      "heartbeats",
      "stream.>",
      "actors.>",
      "process.*.order",
      "processes.order",
    ],
  };
}

/**
 * The control-plane actors: scheduler and controllers. They read the logs, and write only by
 * asking the apiserver, under the given Kubernetes identities.
 */
export function controllersUser(password: string, identities: readonly string[]): BusUser {
  return {
    user: "controllers",
    password,
    publish: [
      ...requestsAs(identities),
      ...LOG_NAMES.flatMap((log) => readingOf(streamOf(log))),
      ...readingOf("compaction"),
      "actors.>",
      "decisions.>",
    ],
    subscribe: [...inboxOf("controllers"), "actors.>", "process.*.order", "processes.order"],
    answers: true,
  };
}

/**
 * The agents of one node: kubelet, proxy, DNS. They touch their own node's subjects only, and hear
 * the orders to their own process.
 */
export function nodeUser(
  node: string,
  password: string,
  identities: readonly string[] = [`system:node:${node}`],
  processName = `node-${node}`,
): BusUser {
  const user = `node-${node}`;
  const token = escapeToken(node);
  return {
    user,
    password,
    publish: [
      ...requestsAs(identities),
      `heartbeat.${token}`,
      `stream.${token}.>`,
      "actors.>",
      "decisions.>",
    ],
    subscribe: [
      ...inboxOf(user),
      `node.${token}.>`,
      `stream.${token}.>`,
      "actors.>",
      `process.${escapeToken(processName)}.order`,
      "processes.order",
    ],
    answers: true,
  };
}

/** Asks about the past: reads the logs and the decisions, and writes nothing. */
export function readerUser(password: string): BusUser {
  const streams = [...LOG_NAMES.map(streamOf), "compaction", "decisions"];
  return {
    user: "reader",
    password,
    publish: streams.flatMap(readingOf),
    subscribe: inboxOf("reader"),
  };
}

/** Watches the log and the decisions; asks the apiserver to publish Events. */
export function verifyUser(password: string, identity: string): BusUser {
  const { publish } = readerUser(password);
  return {
    user: "verify",
    password,
    publish: [...publish, ...requestsAs([identity]), "actors.>"],
    subscribe: [...inboxOf("verify"), "actors.>", "process.*.order", "processes.order"],
    answers: true,
  };
}

/**
 * The operator: the only user that gives orders to processes, and as the supervisor obeys those to
 * itself. It sees how far the logs are, and nothing that is in them.
 */
export function operatorUser(password: string): BusUser {
  return {
    user: "cox",
    password,
    publish: [
      "process.*.order",
      "processes.order",
      "$JS.API.INFO",
      ...LOG_NAMES.map((log) => `$JS.API.STREAM.INFO.${streamOf(log)}`),
    ],
    subscribe: [...inboxOf("cox"), "process.supervisor.order"],
    answers: true,
  };
}

/** For looking at the server's own settings. */
export function systemUser(password: string): BusUser {
  return { user: "system", password, publish: [">"], subscribe: [">"], system: true };
}

function inboxOf(user: string): string[] {
  return [`${inboxPrefix(user)}.>`];
}

function requestsAs(identities: readonly string[]): string[] {
  return identities.map((identity) => `api.${identityToken(identity)}.>`);
}

/**
 * Reading a stream: its state, single messages, and consumers of one's own. Each message of a
 * consumer has a reply subject, for acknowledging it; nobody here does. If it were not allowed, the
 * server would remember it for those that may answer: hundreds of thousands of subjects, which it
 * goes through every second.
 */
function readingOf(stream: string): string[] {
  return [
    "$JS.API.INFO",
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.FC.${stream}.>`,
    `$JS.ACK.${stream}.>`,
  ];
}
