import { beforeAll, describe, expect, it } from "vitest";
import { showTrace, treeText } from "../../services/cli/history/trace.ts";
import { otlpOf } from "../../shared/log/otlp.ts";
import { type Span, timeOfUlid, traceTree, ulidBits } from "../../shared/log/trace.ts";
import type { Version } from "../../shared/store/store.ts";
import { World } from "./world.ts";

const DEPLOYMENT = {
  metadata: { name: "web" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { containers: [{ name: "web", image: "demo:1" }] },
    },
  },
};

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface Otlp {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

describe("a trace", () => {
  let world: World;
  let request: Version;
  let root: Span;
  beforeAll(async () => {
    world = await World.start();
    const call = { verb: "create", resource: "deployments.apps", namespace: "default" } as const;
    await world.ask("alice", { ...call, body: DEPLOYMENT });
    await world.advance(10_000);
    request = world.versions.find(({ headers }) => headers.replica === "alice") as Version;
    root = await readTree(world, request.headers.trace);
  });

  it("follows a request through every actor", () => {
    const spans = all(root);
    expect(root).toMatchObject({ actor: "user", replica: "alice", key: request.key });
    const below = (actor: string, parent: string) =>
      spans.some(
        (span) => span.actor === parent && span.children.some((child) => child.actor === actor),
      );
    expect(below("deployment", "user")).toBe(true);
    expect(below("replicaset", "deployment")).toBe(true);
    expect(below("scheduler", "replicaset")).toBe(true);
    expect(below("kubelet", "scheduler")).toBe(true);
    const written = spans.flatMap(({ writes }) => writes.map(({ key }) => key));
    const pods = new Set(written.filter((key) => key.startsWith("pods/default/web-")));
    expect(pods.size).toBe(2);
  });

  it("has every write once, and each after what caused it", () => {
    const revisions = all(root).flatMap(({ writes }) => writes.map(({ revision }) => revision));
    expect(new Set(revisions).size).toBe(revisions.length);
    for (const span of all(root)) {
      const last = Math.max(...span.writes.map(({ revision }) => revision));
      for (const child of span.children) {
        for (const { revision } of child.writes) expect(revision).toBeGreaterThan(last - 1);
        expect(child.begun).toBeGreaterThanOrEqual(span.begun);
      }
    }
  });

  it("is shown as a tree", async () => {
    const text = treeText(root, (_style, words) => words);
    expect(text).toContain(`trace ${request.headers.trace}`);
    expect(text).toMatch(/@\d+ +alice {2}created deployments.apps\/default\/web/);
    expect(text).toMatch(
      /committed in .*└─ deployment {2}created replicasets.apps.*: new template: web-/,
    );
    const shown: string[] = [];
    const output = { write: (part: string) => void shown.push(part), now: () => world.now };
    await showTrace(world.history, request.headers.trace, { for: 60 }, output);
    expect(shown.join("")).toBe(text);
    const ask = (id: string) => showTrace(world.history, id, { for: 60 }, output);
    await expect(ask("nonsense")).rejects.toThrow('"nonsense" is no trace');
    const nobody = `${request.headers.trace.slice(0, 10)}0000000000000000`;
    await expect(ask(nobody)).rejects.toThrow("Nothing was written by");
  });

  it("can be that of a decision of which nothing was written", async () => {
    const { trace } = all(root).find(({ actor }) => actor === "replicaset") as Span;
    const decisions = await world.history.decisions({ from: 0, to: world.now });
    const record = decisions.find((one) => one.trace === trace);
    const refused = { ...record, outcome: "refused", message: "somebody was faster" } as const;
    const tree = traceTree({
      trace,
      before: [],
      versions: [],
      decisions: [refused as typeof refused & NonNullable<typeof record>],
    });
    expect(treeText(tree as Span, (_style, words) => words)).toMatch(
      new RegExp(`woken by revision ${record?.cause}[^]*refused: somebody was faster`),
    );
    expect(traceTree({ trace, before: [], versions: [], decisions: [] })).toBeUndefined();
  });

  it("becomes spans of OpenTelemetry, linked by the same ids", () => {
    const { resourceSpans } = otlpOf(root) as Otlp;
    const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans));
    expect(spans).toHaveLength(all(root).length);
    const ids = new Set(spans.map(({ spanId }) => spanId));
    expect(ids.size).toBe(spans.length);
    const traceId = (ulidBits(root.trace) as bigint).toString(16).padStart(32, "0");
    for (const span of spans) {
      expect(span.traceId).toBe(traceId);
      expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
      if (span.parentSpanId !== undefined) expect(ids.has(span.parentSpanId)).toBe(true);
      const [start, end] = [BigInt(span.startTimeUnixNano), BigInt(span.endTimeUnixNano)];
      expect(end).toBeGreaterThanOrEqual(start);
    }
    expect(spans.filter(({ parentSpanId }) => parentSpanId === undefined)).toHaveLength(1);
  });
});

describe("a ULID", () => {
  it("says when it was made", () => {
    // The example of the specification.
    expect(timeOfUlid("01ARYZ6S41TSV4RRFFQ69G5FAV")).toBe(1469918176385);
    expect(ulidBits("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")).toBe(2n ** 128n - 1n);
    for (const text of ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01ARYZ6S41TSV4RRFFQ69G5FAU"]) {
      expect(timeOfUlid(text)).toBeUndefined();
    }
  });
});

async function readTree(world: World, trace: string): Promise<Span> {
  const decisions = await world.history.decisions({ from: 0, to: world.now });
  const tree = traceTree({ trace, before: [], versions: world.versions, decisions });
  return tree as Span;
}

function all(span: Span): Span[] {
  return [span, ...span.children.flatMap(all)];
}
