/**
 * The real thing to compare with, on this machine: etcd, kube-apiserver, kube-controller-manager
 * and kube-scheduler, built from their sources and started in a folder.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { sum } from "./load/processes.ts";
import { obtainPeers } from "./peers/build.ts";
import { peerFile, runningPeer, startPeers, stopPeers } from "./peers/start.ts";

const USAGE = `npm run bench -- peers --dir DIR [options]
  --dir DIR            where the peers keep their data; DIR/peer.json says what runs
  --stop               ends them; the data stays
  --build              only builds
  --kubernetes 1.35.4  --etcd 3.6.16   their versions
It needs Go on the PATH to build what .cache/peers does not hold yet.`;

const { values: given } = parseArgs({
  options: {
    dir: { type: "string" },
    stop: { type: "boolean", default: false },
    build: { type: "boolean", default: false },
    kubernetes: { type: "string", default: "1.35.4" },
    etcd: { type: "string", default: "3.6.16" },
  },
});

if (given.dir === undefined && !given.build) console.info(USAGE);
else if (given.stop) await stopPeers(resolve(given.dir ?? ""));
else {
  await main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}

async function main(): Promise<void> {
  const versions = { kubernetes: given.kubernetes, etcd: given.etcd };
  const programs = obtainPeers(versions);
  if (given.dir === undefined) return;
  const directory = resolve(given.dir);
  const running = runningPeer(directory);
  if (running !== undefined) console.info(`${running.name} runs there already.`);
  const name = `kubernetes v${versions.kubernetes}, etcd ${versions.etcd}`;
  const peer = running ?? (await startPeers(directory, programs, name));
  const { startUp, idle } = peer;
  const memory = idle.processes.map((each) => `${each.name} ${each.pss.toFixed(0)}`).join(", ");
  const all = sum(idle.processes.map(({ pss }) => pss)).toFixed(0);
  console.info(`${peer.name}
  start to /readyz: ${(startUp.readyz / 1000).toFixed(2)} s
  start to controllers at work: ${(startUp.controllers / 1000).toFixed(2)} s
  memory idle (PSS): ${all} MB: ${memory}
  CPU idle: ${idle.cpuPercent.toFixed(1)} % of a core
${peerFile(directory)} names its kubeconfig and processes. Next:
  npm run bench -- compare --against ${directory}
  npm run bench -- peers --dir ${directory} --stop`);
}
