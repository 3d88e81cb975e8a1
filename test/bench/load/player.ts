/** The node player as a process of its own, so that its CPU can be told from the servers'. */
import { fork } from "node:child_process";
import type { Target } from "./client.ts";
import { NodePlayer } from "./node-player.ts";
import type { Process } from "./processes.ts";

export { PREFIX } from "./node-player.ts";

export interface Player {
  readonly process: Process;
  /** Resolves when its nodes are gone. */
  stop(): Promise<void>;
}

/** The first argument of this program where it plays nodes. */
export const PLAY = "--play-nodes";

interface Order {
  readonly target: Target;
  readonly nodes: number;
}

/** Resolves when the nodes are there; whether they are Ready is for the cluster to say. */
export function playNodes(target: Target, nodes: number): Promise<Player> {
  const child = fork(process.argv[1] ?? "", [PLAY]);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.send({ target, nodes } satisfies Order);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the node player ended with code ${code}`)));
    child.once("message", () =>
      resolve({
        process: { name: "nodes (played)", pid: child.pid as number },
        stop: () => {
          if (child.connected) child.disconnect();
          return ended;
        },
      }),
    );
  });
}

/** The child's part: plays until its parent leaves it. */
export function obeyOrders(): void {
  // Of Ctrl-C the parent takes care.
  process.on("SIGINT", () => {});
  process.once("message", async ({ target, nodes }: Order) => {
    const player = new NodePlayer(target, nodes);
    process.once("disconnect", async () => {
      await player.stop();
      process.exit();
    });
    await player.start();
    process.send?.("ready");
  });
}
