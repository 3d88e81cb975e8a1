/** Group commit on a real nats-server, each write synced: the CPU that a write costs both sides. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../../nats/connect.ts";
import { obtainServer, startServer } from "../../../nats/server.ts";
import { openStore } from "../../../nats/store.ts";
import { firstFree } from "../../../services/cli/ports.ts";
import type { Store } from "../../../shared/store/store.ts";
import { cacheDirectory, HEADERS, testRuntime, USERS } from "../../store/harness.ts";
import { load } from "../load/lanes.ts";
import { cpuBetween, usageOf } from "../load/processes.ts";
import { format } from "../load/report.ts";

const FIRST_PORT = 24_222;
const CASES = [
  { lanes: 1, plan: 1, writes: 1_000 },
  { lanes: 32, plan: 1, writes: 10_000 },
  { lanes: 256, plan: 1, writes: 20_000 },
  { lanes: 16, plan: 100, writes: 40_000 },
];
const MOST_MS = 20_000;

export async function commits(value: Uint8Array): Promise<void> {
  const binary = await obtainServer(cacheDirectory(), () => {});
  const directory = await mkdtemp(join(tmpdir(), "coxswain-micro-"));
  const port = await firstFree(FIRST_PORT);
  const durability = "strict";
  const server = await startServer({ binary, directory, port, durability, users: USERS });
  const user = USERS.find((each) => each.user === "apiserver") ?? { user: "", password: "" };
  const { password } = user;
  const url = `nats://127.0.0.1:${port}`;
  const connection = await connect({ url, user: user.user, password, name: "bench" });
  const store = await openStore(connection, testRuntime, { name: "cluster", durability });
  const columns = ["writes/s", "own CPU µs", "server µs"].map((each) => each.padStart(12)).join("");
  console.info(`\n${`Group commit, objects of ${value.length} bytes`.padEnd(64)}${columns}`);
  try {
    // Twice: the first is to warm up.
    for (const print of [false, true]) {
      for (const each of CASES) await commit(store, server.pid, value, each, print);
    }
  } finally {
    await store.close();
    await connection.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

let next = 0;

async function commit(
  store: Store,
  pid: number,
  value: Uint8Array,
  { lanes, plan, writes }: (typeof CASES)[number],
  print: boolean,
): Promise<void> {
  const processes = [
    { name: "own", pid: process.pid },
    { name: "server", pid },
  ];
  const before = usageOf(processes);
  const one = (): { key: string; value: Uint8Array; expect: number } => {
    return { key: `pods/default/p-${next++}`, value, expect: 0 };
  };
  const { done, perSecond } = await load(
    writes / plan,
    MOST_MS,
    () => store.commit(Array.from({ length: plan }, one), HEADERS),
    lanes,
  );
  if (!print) return;
  const used = cpuBetween(before, usageOf(processes));
  const micros = ["own", "server"].map((name) => ((used.get(name) ?? 0) * 1e6) / (done * plan));
  const cells = [perSecond * plan, ...micros].map((each) => format(each).padStart(12));
  console.info(`${`${lanes} at a time, ${plan} in a plan`.padEnd(64)}${cells.join("")}`);
}
