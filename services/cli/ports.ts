import net, { createServer } from "node:net";
import { getSystemErrorName } from "node:util";

/** Whether a TCP port of this machine can be listened on. */
export function isFree(port: number, host = "0.0.0.0"): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

/** The first free port from `start` on. */
export async function firstFree(start: number): Promise<number> {
  for (let port = start; port < 65_536; port++) if (await isFree(port)) return port;
  throw new Error(`no free TCP port from ${start} on`);
}

/** A port that several processes accept connections from, each by its copy of the socket. */
export interface SharedSocket {
  readonly fd: number;
  close(): void;
}

/**
 * Takes a port, on all addresses, for others to listen on: whoever is handed the descriptor. Once
 * one has, connections wait while none of them lives, and the death of one is noticed by its own
 * clients only.
 * @throws Error when the port is in use
 */
export function takePort(port: number): SharedSocket {
  // As node:cluster does it: Node has no other way to take a port without accepting.
  const handle = (net as unknown as NetInternals)._createServerHandle(null, port, -1);
  if (typeof handle === "number") {
    throw new Error(`TCP port ${port} cannot be used: ${getSystemErrorName(handle)}`);
  }
  return { fd: handle.fd, close: () => handle.close() };
}

interface NetInternals {
  /** A bound handle, or the negative number of an error. */
  _createServerHandle(address: null, port: number, addressType: -1): ServerHandle | number;
}

interface ServerHandle {
  readonly fd: number;
  close(): void;
}
