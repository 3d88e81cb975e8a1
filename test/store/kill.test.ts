import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../nats/store.ts";
import { Projection } from "../../shared/store/projection.ts";
import type { Store, Version } from "../../shared/store/store.ts";
import { HEADERS, Recorder, TestServer, testRuntime } from "./harness.ts";

let server: TestServer;
let work: string;
beforeAll(async () => {
  server = await TestServer.start();
  work = await mkdtemp(join(tmpdir(), "cox-test-kill-"));
});
afterAll(async () => {
  await server.stop();
  await rm(work, { recursive: true, force: true });
});

async function open(): Promise<Store> {
  const connection = await server.connect();
  return openStore(connection, testRuntime, { name: "cluster", durability: "strict" });
}

/** The whole log, as one who comes later reads it. */
async function wholeLog(store: Store): Promise<Version[]> {
  const recorder = new Recorder();
  const watch = store.watch("", 0, recorder);
  await recorder.until(({ caughtUpAt }) => caughtUpAt !== undefined);
  watch.stop();
  return recorder.versions;
}

const WRITERS = 64;
const KILLS = 4;

describe("nats-server killed under 64 writers", () => {
  it("loses nothing that was acknowledged, and repeats nothing", async () => {
    const stores = [await open(), await open()];
    const [store] = stores as [Store, Store];
    const follower = await open();
    const recorder = new Recorder();
    follower.watch("", "snapshot", recorder);
    const projection = new Projection({ runtime: testRuntime });
    await projection.follow(follower);

    const acknowledged = new Map<number, string>();
    let done = false;
    const writer = async (index: number): Promise<void> => {
      const mine = stores[index % stores.length] as Store;
      const key = `pods/a/w-${index}`;
      let expected = 0;
      for (let round = 0; !done; round += 1) {
        const text = JSON.stringify({ kind: "Pod", metadata: { name: key }, round });
        // Each version is guarded by the one before: a write that were lost or doubled by the kill
        // would break the chain.
        const write = { key, value: Buffer.from(text), expect: expected };
        const [revision] = await mine.commit([write], HEADERS);
        expected = revision as number;
        if (acknowledged.has(expected)) throw new Error(`revision ${expected} was given twice`);
        acknowledged.set(expected, `${key} ${text}`);
      }
    };
    const writers = Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
    const recoveries: number[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const target = acknowledged.size + 1_500;
      while (acknowledged.size < target) await new Promise((resolve) => setTimeout(resolve, 5));
      await server.kill();
      const before = acknowledged.size;
      const start = performance.now();
      await server.startAgain();
      while (acknowledged.size === before) await new Promise((resolve) => setTimeout(resolve, 1));
      recoveries.push(performance.now() - start);
    }
    done = true;
    await writers;
    console.info(
      `${acknowledged.size} writes over ${KILLS} kills; first write after a restart began: ` +
        `${recoveries.map((ms) => ms.toFixed(0)).join(", ")} ms`,
    );

    const head = await store.head();
    const log = await wholeLog(store);
    const found = new Map(log.map((version) => [version.revision, version]));
    for (const [revision, text] of acknowledged) {
      const version = found.get(revision);
      expect(`${version?.key} ${version?.value}`).toBe(text);
    }
    expect(log.map((version) => version.revision)).toEqual(
      Array.from({ length: head }, (_, index) => index + 1),
    );
    // Every answer was found out: nothing is in the log that its writer was not told of.
    expect(acknowledged.size).toBe(log.length);

    await recorder.until(({ versions }) => versions.at(-1)?.revision === head);
    expect(recorder.versions.map((version) => version.revision)).toEqual(
      log.map((version) => version.revision),
    );
    await projection.waitFor(head, 10_000);
    const { versions } = await store.list("pods/");
    expect(projection.list("pods").map((entry) => entry.revision)).toEqual(
      versions.map((version) => version.revision),
    );
    projection.stop();
    for (const each of [...stores, follower]) await each.close();
  }, 120_000);
});

/**
 * Runs the victim until it has had some plans acknowledged, then kills it; or it does so itself.
 */
async function oneLife(program: string, life: string, lines: number): Promise<string[]> {
  const halfway = lines === 0 ? ["halfway"] : [];
  const child = spawn(process.execPath, [program, server.url, life, ...halfway], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    // A line is out when a plan is in: the next ones are under way at this moment.
    if (lines > 0 && output.split("\n").length > lines) child.kill("SIGKILL");
  });
  await ended;
  return output.split("\n").slice(1, -1);
}

describe("a writer killed in the middle of its batches", () => {
  it("leaves each plan whole or not at all", async () => {
    const program = join(work, "batch-writer.mjs");
    await build({
      entryPoints: [fileURLToPath(new URL("batch-writer.ts", import.meta.url))],
      outfile: program,
      bundle: true,
      platform: "node",
      format: "esm",
      banner: {
        js: [
          'import { createRequire } from "node:module";',
          "const require = createRequire(import.meta.url);",
        ].join(""),
      },
      logLevel: "error",
    });
    const acknowledged: string[] = [];
    for (const [index, lines] of [2, 3, 0, 5, 8, 0, 13].entries()) {
      acknowledged.push(...(await oneLife(program, `life-${index}`, lines)));
    }
    expect(acknowledged.length).toBeGreaterThan(10);

    const store = await open();
    const plans = new Map<string, Version[]>();
    for (const version of await wholeLog(store)) {
      if (version.headers.actor !== "victim") continue;
      const versions = plans.get(version.headers.trace) ?? [];
      versions.push(version);
      plans.set(version.headers.trace, versions);
    }
    for (const [trace, versions] of plans) {
      expect(versions.length, trace).toBe(40);
      const [first] = versions as [Version];
      expect(versions.map(({ revision }) => revision - first.revision)).toEqual([
        ...Array(40).keys(),
      ]);
      expect(versions.map(({ more }) => more)).toEqual([...Array(39).fill(true), false]);
    }
    for (const line of acknowledged) {
      const [trace = "", revision] = line.split(" ");
      expect(plans.get(trace)?.[0]?.revision).toBe(Number(revision));
    }
    await store.close();
  }, 60_000);
});
