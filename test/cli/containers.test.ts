/**
 * docker-compose.yml without Docker: what the image would hold, in a folder of its own, and the
 * commands of the services as processes of this machine. The servers' host names become loopback
 * addresses.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { obtainServer } from "../../nats/server.ts";
import { cacheFolder, repository } from "../../services/cli/folders.ts";
import { obtainKubectl } from "../../services/cli/kubectl.ts";
import { CONTROL_ACTORS } from "../../services/cli/layout.ts";
import { run } from "../kubectl/cluster.ts";

const service = z.object({
  command: z.array(z.string()),
  image: z.string(),
  restart: z.string().optional(),
  build: z.object({ dockerfile_inline: z.string() }).optional(),
});
const file = z.object({ services: z.record(z.string(), service) });
const compose = file.parse(
  parse(readFileSync(join(repository(), "docker-compose.yml"), "utf8"), { merge: true }),
);
const { init, ...others } = compose.services;
const SERVERS = Object.keys(others).filter((name) => name.startsWith("nats-"));
const ACTORS = Object.keys(others).filter((name) => !name.startsWith("nats-"));
const TEST_MS = 180_000;
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 6
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: registry.local/coxswain/web:1.0 }] }
`;

describe("docker-compose.yml", () => {
  it("has a service for every actor", () => {
    expect(ACTORS.sort()).toEqual(["apiserver", "nodes", "verify", ...CONTROL_ACTORS].sort());
    for (const name of ACTORS) {
      expect(others[name]).toMatchObject({ command: ["run", name], restart: "always" });
    }
    expect(SERVERS).toHaveLength(3);
  });
});

describe("its containers as processes", () => {
  const home = mkdtempSync(join(tmpdir(), "coxswain-containers-"));
  const image = join(home, "image");
  const cluster = join(home, "cluster");
  const children = new Map<string, ChildProcess>();
  let server: string;
  let path: string;

  beforeAll(async () => {
    server = await obtainServer(cacheFolder(), () => undefined);
    path = `${dirname(await obtainKubectl(() => undefined))}:${process.env["PATH"]}`;
    makeImage();
    const port = String(20_000 + Math.floor(Math.random() * 9_000));
    const prepared = await inImage([...named(init?.command ?? []), "--port", port]);
    expect(prepared).toMatchObject({ code: 0, stderr: "" });
    for (const name of SERVERS) startServer(name);
    for (const name of ACTORS) start(name, others[name]?.command ?? []);
    await until("kubectl get --raw /readyz");
  }, TEST_MS);

  afterAll(async () => {
    // As Compose does: those first that depend on others.
    await end(([name]) => !SERVERS.includes(name));
    await end(() => true);
    rmSync(home, { recursive: true, force: true });
  }, TEST_MS);

  async function end(which: (entry: [string, ChildProcess]) => boolean): Promise<void> {
    const chosen = [...children].filter(which).map(([, child]) => child);
    for (const [name, child] of [...children]) {
      if (chosen.includes(child)) children.delete(name);
    }
    for (const child of chosen) child.kill("SIGTERM");
    await Promise.all(chosen.map(ended));
  }

  /** The last stage of the image's recipe. */
  function makeImage(): void {
    const recipe = init?.build?.dockerfile_inline ?? "";
    const copies = [...recipe.matchAll(/^COPY --from=build \/coxswain\/(\S+) (\S+)$/gm)];
    expect(copies.length).toBeGreaterThan(1);
    mkdirSync(image);
    for (const [, from = "", to = ""] of copies) {
      const target = to === "./" ? from : to;
      cpSync(join(repository(), from), join(image, target), { recursive: true });
    }
    expect(recipe).toContain('ENTRYPOINT ["node", "dist/cox.js"]');
  }

  function named(words: readonly string[]): string[] {
    return words.map((word) => word.replaceAll(/nats-(\d)/g, (_, number) => addressOf(number)));
  }

  function addressOf(number: string | number): string {
    return `127.77.0.${Number(number)}`;
  }

  /** The folder of its volume is one of this machine's. */
  function startServer(name: string): void {
    const address = addressOf(name.replace("nats-", ""));
    const configuration = join(home, `${name}.conf`);
    const written = readFileSync(join(cluster, "nats", "nats.conf"), "utf8");
    writeFileSync(configuration, written.replace("/jetstream", join(home, name)));
    const [flag = "", path = "", ...more] = others[name]?.command ?? [];
    expect([flag, path]).toEqual(["--config", "/cluster/nats/nats.conf"]);
    const own = ["--addr", address, "--cluster", `nats://${address}:6222`];
    keep(name, server, [flag, configuration, ...more, ...own]);
  }

  /** Starts it again when it ends by itself, as Compose does. */
  function keep(name: string, program: string, words: string[]): void {
    const log = openSync(join(home, `${name}.log`), "a");
    const child = spawn(program, words, { stdio: ["ignore", log, log], env: environment() });
    closeSync(log);
    children.set(name, child);
    child.once("exit", (code) => {
      if (code !== null && code !== 0 && children.get(name) === child) keep(name, program, words);
    });
  }

  function start(name: string, command: readonly string[], ...more: string[]): void {
    const words = [join(image, "dist", "cox.js"), ...command, ...more];
    keep(name, process.execPath, words);
  }

  function environment(): NodeJS.ProcessEnv {
    const kubeconfig = join(cluster, "kubeconfig");
    return { ...process.env, PATH: path, HOME: home, KUBECONFIG: kubeconfig, COX_DATA: cluster };
  }

  function inImage(words: string[]) {
    const program = join(image, "dist", "cox.js");
    return run(process.execPath, [program, ...words], environment(), TEST_MS);
  }

  /** Tries until it works: containers start in any order. */
  async function until(text: string): Promise<string> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const { code, stdout, stderr } = await run("bash", ["-c", text], environment(), TEST_MS);
      if (code === 0) return stdout;
      if (Date.now() > deadline) throw new Error(`${text}: ${stderr}${stdout}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function actors(): Promise<{ actor: string; process: string }[]> {
    const { stdout, stderr, code } = await inImage(["actors", "-o", "json"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as { actor: string; process: string }[];
  }

  it(
    "roll a Deployment out while servers and actors are killed, and take replicas",
    async () => {
      await until(`kubectl apply -f - <<'END'${DEPLOYMENT}END`);
      await until("kubectl rollout status deployment/web --timeout 60s");
      await expect
        .poll(async () => (await actors()).map(({ actor }) => actor), { timeout: 30_000 })
        .toEqual(expect.arrayContaining(["apiserver", "verify", ...CONTROL_ACTORS]));
      start("scheduler-b", ["run", "scheduler"], "--name", "scheduler-b");
      start("deployment-b", ["run", "deployment,replicaset"], "--name", "deployment-b");
      await expect
        .poll(async () => (await actors()).map(({ process }) => process), { timeout: 30_000 })
        .toEqual(expect.arrayContaining(["scheduler-b", "deployment-b"]));
      for (const name of ["nats-2", "scheduler", "deployment", "replicaset"]) {
        children.get(name)?.kill("SIGKILL");
        children.delete(name);
      }
      await until("kubectl set image deployment/web web=registry.local/coxswain/web:2.0");
      await until("kubectl rollout status deployment/web --timeout 60s");
      startServer("nats-2");
      // Those of the old version end by and by, and none is there twice.
      await expect
        .poll(() => until("kubectl get pods -o name | wc -l"), { timeout: 60_000 })
        .toBe("6\n");
    },
    TEST_MS,
  );

  it("are told what cannot be run", async () => {
    const wrong = await inImage(["run", "schedular"]);
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toContain("no control actor is called schedular; there are scheduler,");
    expect((await inImage(["run"])).stderr).toContain("usage: cox run <actor>");
    expect((await inImage(["run", "apiserver,scheduler"])).stderr).toContain("of its own");
  });
});

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
