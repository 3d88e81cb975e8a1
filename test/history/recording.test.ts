import { beforeAll, describe, expect, it } from "vitest";
import { exportHistory } from "../../services/cli/history/export.ts";
import { answerWhy } from "../../services/cli/history/why/why.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { objectOf } from "../../shared/log/changes.ts";
import { RecordingReader } from "../../shared/log/recording.ts";
import { Scrubber } from "../../shared/log/scrub.ts";
import { SeededRuntime } from "../../shared/runtime/seeded.ts";
import { World } from "./world.ts";

const PASSWORD = "correct horse battery";
const BASE64 = Buffer.from(PASSWORD).toString("base64");

function read(text: string) {
  const reader = new RecordingReader(new SeededRuntime());
  for (const line of text.split("\n")) reader.line(line);
  return reader.finish();
}

describe("a piece of history as a file", () => {
  let world: World;
  let head: number;
  beforeAll(async () => {
    world = await World.start();
    const pod = {
      metadata: { name: "one" },
      spec: { containers: [{ name: "a", image: "x", env: [{ name: "P", value: PASSWORD }] }] },
    };
    const secret = (name: string) => ({ metadata: { name }, stringData: { password: PASSWORD } });
    const create = { verb: "create", namespace: "default" } as const;
    await world.ask("alice", { ...create, resource: "pods", body: pod });
    await world.ask("alice", { ...create, resource: "secrets", body: secret("a") });
    await world.ask("alice", { ...create, resource: "secrets", body: secret("b") });
    await world.advance(5_000);
    await world.ask("bob", { verb: "delete", resource: "pods", namespace: "default", name: "one" });
    await world.advance(10_000);
    head = await world.history.logs.cluster.head();
  });

  async function exported(range: string, ...scrub: string[]): Promise<string> {
    const parts: string[] = [];
    const output = { write: (part: string) => void parts.push(part), now: () => world.now };
    await exportHistory(world.history, range, { scrub }, output);
    return parts.join("");
  }

  it("is the same history at every revision", async () => {
    const from = head - 8;
    const { history, head: first } = read(await exported(`${from}..`));
    expect(first.logs.cluster).toEqual({ from, to: head });
    for (let at = from; at <= head; at++) {
      const [there, here] = await Promise.all(
        [history, world.history].map((one) => one.logs.cluster.list("pods/", at)),
      );
      const plain = (versions: NonNullable<typeof there>["versions"] | undefined) =>
        versions?.map((version) => ({ ...version, more: false, value: objectOf(version) }));
      expect(plain(there?.versions)).toEqual(plain(here?.versions));
    }
    await expect(history.logs.cluster.list("", from - 1)).rejects.toThrow("has been compacted");
    await expect(history.logs.cluster.list("", head + 1)).rejects.toThrow("in the future");
  });

  it("answers the same questions", async () => {
    const { history } = read(await exported("..HEAD"));
    const question = { key: "pods/default/one", at: head, deleted: false };
    const answer = await answerWhy(history, question);
    expect(answer).toEqual(await answerWhy(world.history, question));
    expect(answer.verdict.text).toBe("bob deleted it");
  });

  it("has no Secrets' data, and equal data is still equal", async () => {
    const text = await exported("..HEAD");
    expect(text).not.toContain(BASE64);
    const { history } = read(text);
    const { versions } = await history.logs.cluster.list("secrets/default/", head);
    const [a, b] = versions.map((version) => objectOf(version)?.["data"].password as string);
    expect(a).toBe(b);
    expect(Buffer.from(a as string, "base64")).toHaveLength(PASSWORD.length);
    // Another export has another key.
    expect(await exported("..HEAD")).not.toContain(a);
  });

  it("has no values of chosen fields", async () => {
    expect(await exported("..HEAD")).toContain(PASSWORD);
    const text = await exported("..HEAD", "**.env.*.value");
    expect(text).not.toContain(PASSWORD);
    expect(read(text).head.scrubbed).toEqual(["**.env.*.value"]);
  });

  it("is refused when it is cut, newer or something else", async () => {
    const text = await exported(`${head - 8}..`);
    const lines = text.split("\n");
    const cut = lines.filter((line) => !line.includes(`"revision":${head},`)).join("\n");
    expect(() => read(cut)).toThrow(`ends at revision ${head - 1}, its head announces ${head}`);
    expect(() => read(text.replace('"coxlog":1', '"coxlog":2'))).toThrow("newer than this program");
    expect(() => read('{"kind":"Pod"}')).toThrow("not the head of a file made by `cox export`");
    expect(() => read(`${lines[0]}\n{`)).toThrow("line 2 is not JSON");
    expect(() => read("")).toThrow("the file is empty");
  });
});

describe("scrubbing", () => {
  const scrubber = (...paths: string[]) => new Scrubber(Buffer.alloc(32, 1), paths);
  const secret: KubernetesObject = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: "a",
      annotations: {
        "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify({
          kind: "Secret",
          data: { password: BASE64 },
        }),
      },
    },
    data: { password: BASE64 },
    type: "Opaque",
  };

  it("takes the data of Secrets also out of what kubectl applied last", () => {
    const scrubbed = scrubber().object(
      "secrets/default/a",
      secret as never,
    ) as never as typeof secret;
    const { annotations } = scrubbed.metadata;
    const applied = JSON.parse(Object.values(annotations ?? {})[0] as string);
    expect(applied.data).toEqual(scrubbed["data"]);
    expect(JSON.stringify(scrubbed)).not.toContain(BASE64);
    expect(scrubbed["type"]).toBe("Opaque");
    expect(scrubber().object("configmaps/default/a", secret as never)).toEqual(secret);
  });

  it("keeps types, lengths and what is between the letters", () => {
    const values = { url: "https://User:pw9@host/a", port: 8080, on: true, none: null };
    const scrubbed = scrubber("*").object("configmaps/default/a", values) as typeof values;
    expect(scrubbed.url).toMatch(/^[a-z]{5}:\/\/[A-Z][a-z]{3}:[a-z]{2}\d@[a-z]{4}\/[a-z]$/);
    expect(scrubbed.url).not.toBe(values.url);
    expect(typeof scrubbed.port).toBe("number");
    expect(scrubbed).toMatchObject({ on: true, none: null });
  });

  it.each([
    ["a.b", { a: { b: "xyz", c: "xyz" } }, ["c"]],
    ["a.*", { a: { b: "xyz" }, c: "xyz" }, ["c"]],
    ["list[*].v", { list: [{ v: "xyz", w: "xyz" }] }, ["w"]],
    ["list.0", { list: ["xyz", "xyz"] }, ["1"]],
    ["**.v", { v: "xyz", deep: [{ er: { v: "xyz", kept: "xyz" } }] }, ["kept"]],
  ])("finds %s", (path, object, kept) => {
    const scrubbed = scrubber(path).object("configmaps/default/a", object as never);
    expect(namesOf(scrubbed, "xyz")).toEqual(kept);
  });
});

/** The names under which a value stands. */
function namesOf(object: unknown, value: string): string[] {
  if (typeof object !== "object" || object === null) return [];
  return Object.entries(object).flatMap(([name, inner]) =>
    inner === value ? [name] : namesOf(inner, value),
  );
}
