/** Nodes played on any API server until Ctrl-C: for clusters that have none. */
import { parseArgs } from "node:util";
import { fromKubeconfig } from "./load/kubeconfig.ts";
import { NodePlayer } from "./load/node-player.ts";

const USAGE = `npm run bench -- nodes --kubeconfig FILE --nodes N
  plays N nodes there and runs their pods on paper; they go with Ctrl-C or SIGTERM
`;
const REPORT_MS = 10_000;

const { values: given } = parseArgs({
  options: { kubeconfig: { type: "string" }, nodes: { type: "string", default: "1" } },
});

if (given.kubeconfig === undefined) console.info(USAGE);
else await play(given.kubeconfig, Number(given.nodes));

async function play(kubeconfig: string, nodes: number): Promise<void> {
  const player = new NodePlayer(fromKubeconfig(kubeconfig), nodes);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void player.stop().finally(() => process.exit()));
  }
  await player.start();
  console.info(`${nodes} nodes are there`);
  setInterval(() => {
    const { started, removed, failed } = player.counts;
    console.info(`pods started ${started}, removed ${removed}, reports that failed ${failed}`);
  }, REPORT_MS);
}
