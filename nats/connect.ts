import { connect as connectNats, Events, type NatsConnection, NatsError } from "nats";
import { inboxPrefix } from "./permissions.ts";

export interface ConnectOptions {
  /** `nats://host:port`; several with commas. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Shown by the server's monitoring: the process, e.g. `apiserver-7f3a`. */
  readonly name: string;
  /** How long to wait for a server to answer the first time, milliseconds. Default 30 s. */
  readonly timeoutMs?: number;
}

/** A connection that is kept for ever: when it breaks it is made again, within tens of ms. */
export interface Connection {
  readonly nats: NatsConnection;
  /** Subjects under it are this user's own, for answers. */
  readonly inboxPrefix: string;
  readonly connected: boolean;
  /**
   * Changes with each life of a server that stands alone: what was sent to the former one and not
   * answered is lost or done, never still under way. "" for a cluster, where nobody can say that.
   */
  readonly serverId: string;
  /** Called at each loss (false) and return (true) of the connection. Returns a way to stop. */
  onStatus(listener: (connected: boolean) => void): () => void;
  close(): Promise<void>;
}

const RECONNECT_MS = 25;

/**
 * Connects to the bus. Tries until a server answers or the time is up.
 * @throws Error with the server's reason when it refuses the user, or after `timeoutMs`.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const deadline = Date.now() + (options.timeoutMs ?? 30_000);
  for (;;) {
    try {
      return new LiveConnection(await dial(options), inboxPrefix(options.user));
    } catch (error) {
      const refused = error instanceof NatsError && error.isAuthError();
      if (refused || Date.now() >= deadline) {
        const message = `cannot connect to ${options.url} as ${options.user}`;
        throw new Error(`${message}: ${(error as Error).message}`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }
}

function dial(options: ConnectOptions): Promise<NatsConnection> {
  return connectNats({
    servers: options.url.split(","),
    user: options.user,
    pass: options.password,
    name: options.name,
    inboxPrefix: inboxPrefix(options.user),
    timeout: 2_000,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_MS,
    // A server that restarts may refuse a user for a moment; that must not end the process' life.
    ignoreAuthErrorAbort: true,
    pingInterval: 5_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  });
}

class LiveConnection implements Connection {
  readonly nats: NatsConnection;
  readonly inboxPrefix: string;
  readonly #listeners = new Set<(connected: boolean) => void>();
  #connected = true;

  constructor(nats: NatsConnection, prefix: string) {
    this.nats = nats;
    this.inboxPrefix = prefix;
    void this.#follow();
  }

  get connected(): boolean {
    return this.#connected;
  }

  get serverId(): string {
    const { info } = this.nats;
    return info === undefined || info.cluster ? "" : info.server_id;
  }

  onStatus(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.nats.close();
    this.#set(false);
  }

  async #follow(): Promise<void> {
    for await (const status of this.nats.status()) {
      if (status.type === Events.Disconnect) this.#set(false);
      if (status.type === Events.Reconnect) this.#set(true);
    }
  }

  #set(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}
