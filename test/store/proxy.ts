import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and a server, and loses what it is told to lose. */
export class LossyProxy {
  /** What the server says is lost. */
  deaf = false;
  /** What the client says is lost. */
  mute = false;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #onLoss = (): void => {};

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: number): Promise<LossyProxy> {
    const server = createServer();
    const proxy = new LossyProxy(server);
    server.on("connection", (client) => proxy.#join(client, target));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `nats://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  /** Resolves when something that the client says is lost from now on. */
  loss(): Promise<void> {
    return new Promise((resolve) => {
      this.#onLoss = resolve;
    });
  }

  /** Breaks all connections; those made from now on lose nothing. */
  cut(): void {
    this.deaf = false;
    this.mute = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #join(client: Socket, port: number): void {
    const server = connect(port, "127.0.0.1");
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    client.on("data", (data) => (this.mute ? this.#onLoss() : server.write(data)));
    server.on("data", (data) => this.deaf || client.write(data));
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const each of pair) each.destroy();
      });
    }
  }
}
