import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../nats/connect.ts";
import { openStore } from "../../nats/store.ts";
import { programFile } from "../../services/cli/folders.ts";
import type { FieldChange } from "../../shared/log/difference.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { RunningCluster } from "../kubectl/cluster.ts";

const TEST_MS = 120_000;
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: "demo:1" }] }
`;

interface Line {
  readonly revision: number;
  readonly verb: string;
  readonly key: string;
  readonly actor: string;
  readonly replica: string;
  readonly cause: number;
  readonly trace: string;
  readonly changes: readonly FieldChange[];
}

describe("the past of a running cluster", () => {
  let cluster: RunningCluster;
  /** When somebody created the Deployment, and when somebody changed it. */
  let created: Line;
  let changed: Line;
  beforeAll(async () => {
    cluster = await RunningCluster.start("--runtime", "simulated", "--nodes", "2");
    const file = join(cluster.data, "web.yaml");
    writeFileSync(file, WEB);
    await cluster.must(`kubectl apply -f ${file} && kubectl rollout status deploy/web`);
    await cluster.must("kubectl set image deploy/web web=demo:2");
    await cluster.must("kubectl rollout status deploy/web");
    const lines = (await log("-k", "deploy/web")).filter(({ actor }) => actor === "user");
    [created, changed] = lines as [Line, Line];
  }, TEST_MS);
  afterAll(() => cluster?.end(), TEST_MS);

  async function cox(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.cox(command, ...args);
    if (code !== 0) throw new Error(`cox ${command} ${args.join(" ")} failed: ${stderr}`);
    return stdout;
  }

  async function log(...args: string[]): Promise<Line[]> {
    const text = await cox("log", "-o", "json", ...args);
    return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Line]));
  }

  it("says what was changed, by whom and because of what", async () => {
    expect(created).toMatchObject({ verb: "created", replica: "kubernetes-admin", cause: 0 });
    expect(changed.changes).toContainEqual({
      path: "spec.template.spec.containers[web].image",
      old: "demo:1",
      new: "demo:2",
    });
    const after = await log(`${changed.revision}..`, "-k", "rs");
    expect(after[0]).toMatchObject({
      verb: "created",
      actor: "deployment",
      cause: changed.revision,
    });
    const text = await cox("log", `${created.revision}..${changed.revision}`, "-k", "deploy/web");
    expect(text).toContain("spec.template.spec.containers[web].image demo:1→demo:2");
    expect(text).toContain("kubernetes-admin");
  });

  it("shows what differs between two moments", async () => {
    const [from, to] = [String(created.revision), String(changed.revision)];
    const difference = JSON.parse(await cox("diff", "-o", "json", "-k", "deploy", from, to));
    expect(difference).toMatchObject({ added: [], removed: [] });
    const [{ key, changes }] = difference.changed;
    expect(key).toBe("deployments.apps/default/web");
    expect(changes.map(({ path }: FieldChange) => path)).toContain(
      "spec.template.spec.containers[web].image",
    );
    expect(await cox("diff", from, "HEAD", "-k", "pods")).toContain("+ pods/default/web-");
    expect(await cox("diff", to, to)).toContain("Nothing is different.");
  });

  it(
    "can be read with kubectl, and not changed",
    async () => {
      const image = "-o=jsonpath={.spec.template.spec.containers[0].image}";
      const at = (moment: number, ...words: string[]) =>
        cluster.cox("at", String(moment), "--data", cluster.data, ...words);
      expect((await at(created.revision, "get", "deploy", "web", image)).stdout).toBe("demo:1");
      expect((await at(changed.revision, "get", "deploy", "web", image)).stdout).toBe("demo:2");
      expect((await at(created.revision - 1, "get", "deploy")).stderr).toContain(
        "No resources found",
      );
      const wide = await at(changed.revision, "get", "pods", "-o", "wide");
      expect(wide.stdout).toContain("NOMINATED NODE");
      expect((await at(changed.revision, "describe", "pods")).stdout).toContain("Scheduled");
      expect((await at(changed.revision, "explain", "pods.spec")).stdout).toContain("PodSpec");
      const refused = await at(changed.revision, "delete", "deploy", "web");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`this server shows revision ${changed.revision} (`);
      expect(refused.stderr).toContain("and takes no changes");
      const logs = await at(changed.revision, "logs", "deploy/web");
      expect(logs.stderr).toContain("only running nodes can answer a request for log");
    },
    TEST_MS,
  );

  it(
    "replays what happened next to those who watch",
    async () => {
      const watch = await cluster.shell(
        `timeout 20 node ${join(process.cwd(), "dist/cox.js")} at --data ${cluster.data} ` +
          `--speed 20 ${changed.revision} rollout status deploy/web`,
      );
      expect(watch.stdout).toContain("Waiting for deployment");
      expect(watch.stdout).toContain('deployment "web" successfully rolled out');
    },
    TEST_MS,
  );

  it(
    "answers why",
    async () => {
      const gone = (await log(`${changed.revision}..`, "-k", "pods")).find(
        ({ verb }) => verb === "deleted",
      ) as Line;
      const answer = JSON.parse(await cox("why", "-o", "json", gone.key.replace("/default/", "/")));
      expect(answer.verdict.kind).toBe("rollout");
      expect(answer.story.steps.at(-1)).toMatchObject({
        revision: changed.revision,
        replica: "kubernetes-admin",
      });
      // The records of the decisions are found, too.
      expect(answer.story.steps[1].decided.about).toMatch(/^replicasets.apps\/default\/web-/);
      const nobody = await cluster.cox("why", "pod/nobody");
      expect(nobody.code).toBe(1);
      expect(nobody.stderr).toContain("knows no pods/default/nobody. There are pods/default/web-");
    },
    TEST_MS,
  );

  it(
    "is served to any client until the server is told to end",
    async () => {
      const kubeconfig = join(cluster.data, "past.kubeconfig");
      const words = [String(created.revision), "serve", "--kubeconfig", kubeconfig, "--speed", "0"];
      const serving = spawn(
        process.execPath,
        [programFile("cox.js"), "at", "--data", cluster.data, ...words],
        { stdio: "pipe" },
      );
      const ended = new Promise((resolve) => serving.once("exit", resolve));
      const said: string[] = [];
      serving.stdout.on("data", (part: Buffer) => said.push(part.toString()));
      await expect.poll(() => said.join("")).toContain(`export KUBECONFIG=${kubeconfig}`);
      expect(said.join("")).toContain(`Revision ${created.revision} (`);
      expect(said.join("")).toContain("time stands still");
      const past = { KUBECONFIG: kubeconfig };
      expect(await cluster.must("kubectl get deploy web -o name", past)).toContain("web");
      expect(await cluster.must("kubectl get pods -o name", past)).toBe("");
      expect(await cluster.must("kubectl auth can-i get pods", past)).toBe("yes\n");
      const right = await cluster.shell("kubectl auth can-i delete pods", past);
      expect(right.stdout).toContain("no - this server shows revision");
      const server = "$(kubectl config view --raw -o jsonpath='{..server}')";
      const stranger = await cluster.must(`curl -sk ${server}/api/v1/secrets`, past);
      expect(stranger).toContain("to its administrator alone");
      serving.kill("SIGTERM");
      expect(await ended).toBe(0);
    },
    TEST_MS,
  );

  it(
    "goes elsewhere as a file",
    async () => {
      const file = join(cluster.data, "incident.coxlog");
      writeFileSync(file, await cox("export", `${created.revision}..`));
      const elsewhere = join(cluster.data, "elsewhere");
      const words = ["import", file, "--data", elsewhere];
      const imported = await cluster.cox(...(words as [string, ...string[]]));
      expect(imported.stdout).toContain(`Revisions ${created.revision} to `);
      const again = await cluster.cox(...(words as [string, ...string[]]));
      expect(again.stderr).toContain("is there already; name another folder");
      const range = `${created.revision}..${changed.revision}`;
      const here = await cox("log", range);
      expect(await cox("log", range, "--log", file)).toBe(here);
      expect(await cox("log", range, "--data", elsewhere)).toBe(here);
      const wide = ["get", "pods", "-o", "wide"];
      const moment = String(changed.revision);
      expect(await cox("at", moment, "--log", file, ...wide)).toBe(
        await cox("at", moment, ...wide),
      );
      const gone = (await log(`${changed.revision}..`, "-k", "pods")).find(
        ({ verb }) => verb === "deleted",
      ) as Line;
      const object = gone.key.replace("/default/", "/");
      expect(await cox("why", object, "--log", file)).toBe(await cox("why", object));
      expect(await cox("trace", changed.trace, "--log", file)).toBe(
        await cox("trace", changed.trace),
      );
      const before = await cluster.cox(
        "at",
        String(created.revision - 1),
        "--log",
        file,
        "get",
        "ns",
      );
      expect(before.stderr).toContain(`which begins at revision ${created.revision}`);
      const follow = await cluster.cox("log", "--log", file, "-f");
      expect(follow.stderr).toContain("A file does not go on");
    },
    TEST_MS,
  );

  it("can be asked by the URL of the log's server, by a user that may only read", async () => {
    const read = (file: string) => JSON.parse(readFileSync(join(cluster.data, file), "utf8"));
    const { passwords } = read("nats/credentials.json");
    const server = `127.0.0.1:${read("cluster.json").natsPort}`;
    const url = (user: string, password: string) => `nats://${user}:${password}@${server}`;
    const key = ["-k", "deploy/web", "-o", "json"];
    const asked = await cox("log", "--nats", url("reader", passwords["reader"]), ...key);
    expect(asked).toBe(await cox("log", ...key));
    const refused = await cluster.cox("log", "--nats", url("reader", "wrong"), ...key);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`cannot connect to nats://${server} as reader`);
    const connection = await connect({
      url: `nats://${server}`,
      user: "reader",
      password: passwords["reader"],
      name: "test",
    });
    const runtime = liveRuntime();
    const options = { name: "cluster", durability: "strict", readOnly: true } as const;
    const store = await openStore(connection, runtime, options);
    const head = await store.head();
    const denied = connection.nats.request("$KV.cluster._.pods.default.x", "{}", {
      timeout: 2_000,
    });
    await expect(denied).rejects.toThrow(/permissions violation/i);
    expect(await store.head()).toBe(head);
    await store.close();
    await connection.close();
  });

  it(
    "is there when the API server has started anew, and says where it begins",
    async () => {
      const { revision } = changed;
      const listAt = (at: number): string => {
        const query = `resourceVersionMatch=Exact&resourceVersion=${at}`;
        return `kubectl get --raw '/api/v1/pods?${query}'`;
      };
      const before = await cluster.must(listAt(revision));
      process.kill(cluster.pidOf("apiserver"), "SIGKILL");
      await cluster.must("until kubectl get --raw /readyz 2> /dev/null; do sleep 0.1; done");
      expect(await cluster.must(listAt(revision))).toBe(before);
      const pods = await cox("at", String(revision), "get", "pods", "-o", "name");
      expect(pods.split("\n").filter(Boolean).length).toBeGreaterThanOrEqual(2);
      await compact(revision);
      expect(await cox("at", String(revision), "get", "pods", "-o", "name")).toBe(pods);
      expect(await cluster.must(listAt(revision))).toBe(before);
      expect((await cluster.shell(listAt(revision - 1))).stderr).toContain("too old");
      for (const words of [
        ["at", String(revision - 1), "get", "pods"],
        ["diff", String(revision - 1), "HEAD"],
        ["log", `${revision - 1}..`],
      ]) {
        const { code, stderr } = await cluster.cox(...(words as [string, ...string[]]));
        expect(code).toBe(1);
        expect(stderr).toMatch(
          new RegExp(`^Revision ${revision - 1} is older than .* at revision ${revision}, 20`),
        );
      }
      const beyond = await cluster.cox("at", "99999999", "get", "pods");
      expect(beyond.stderr).toContain("Revision 99999999 does not exist yet");
    },
    TEST_MS,
  );

  async function compact(revision: number): Promise<void> {
    const read = (file: string) => JSON.parse(readFileSync(join(cluster.data, file), "utf8"));
    const { passwords } = read("nats/credentials.json");
    const connection = await connect({
      url: `nats://127.0.0.1:${read("cluster.json").natsPort}`,
      user: "apiserver",
      password: passwords["apiserver"],
      name: "test",
    });
    const runtime = liveRuntime();
    const store = await openStore(connection, runtime, { name: "cluster", durability: "strict" });
    await store.compact(revision);
    await store.close();
    await connection.close();
  }
});
