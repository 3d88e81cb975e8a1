import { createServer } from "node:net";

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
