import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BUSYBOX_IMAGE,
  findBusybox,
  isStatic,
  PAUSE_IMAGE,
  WEB_IMAGE,
} from "../../services/node/images/catalog.ts";
import { buildLayer, type Descriptor } from "../../services/node/images/image.ts";
import { pauseProgram } from "../../services/node/images/pause.ts";
import { type Registry, startRegistry } from "../../services/node/images/registry.ts";
import { ensureImages, type ImageStore } from "../../services/node/images/store.ts";
import { command, describeOnMachine, logger } from "./machine.ts";

const folder = mkdtempSync(join(tmpdir(), "coxswain-images-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("layers", () => {
  it("have the same bytes for the same entries", async () => {
    const entries = [
      { path: "a", folder: true as const },
      { path: "a/b", content: "text", mode: 0o755, owner: 7 },
      { path: "c", link: "a/b" },
    ];
    const [one, other] = [await buildLayer(entries), await buildLayer(entries)];
    expect(one).toEqual(other);
    const plain = gunzipSync(one.blob.bytes);
    expect(one.diffId).toBe(`sha256:${createHash("sha256").update(plain).digest("hex")}`);
  });
});

describe("the pause program", () => {
  const path = join(folder, "pause");
  const started = async () => {
    const child = spawn(path, { stdio: "ignore" });
    await new Promise((resolve) => child.once("spawn", resolve));
    return child;
  };
  const ended = (child: Awaited<ReturnType<typeof started>>) =>
    new Promise<[number | null, string | null]>((resolve) =>
      child.once("exit", (code, signal) => resolve([code, signal])),
    );

  it.runIf(process.arch === "x64")("ends on SIGTERM and SIGINT, and on nothing else", async () => {
    writeFileSync(path, pauseProgram());
    chmodSync(path, 0o755);
    expect(isStatic(pauseProgram())).toBe(true);
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      const child = await started();
      const end = ended(child);
      // It only ever sleeps while it waits for signals.
      const waits = (): boolean => / S /.test(readFileSync(`/proc/${child.pid}/stat`, "utf8"));
      while (!waits()) await new Promise((resolve) => setImmediate(resolve));
      for (const other of ["SIGHUP", "SIGUSR1", "SIGCHLD"] as const) child.kill(other);
      child.kill(name);
      expect(await end).toEqual([0, null]);
    }
  });
});

describeOnMachine("images without a registry", ["busybox"], () => {
  let store: ImageStore;
  let registry: Registry;

  beforeAll(async () => {
    ({ store } = await ensureImages(join(folder, "images"), command));
    registry = await startRegistry({ store, logger, address: "127.0.0.1", port: 0 });
  });
  afterAll(() => registry?.close());

  const get = (path: string, options: RequestInit = {}): Promise<Response> =>
    fetch(`${registry.url}${path}`, options);

  it("are built once, and the same each time", async () => {
    expect(store.names()).toEqual([BUSYBOX_IMAGE, WEB_IMAGE, PAUSE_IMAGE]);
    expect((await ensureImages(store.directory, command)).built).toBe(false);
    const again = await ensureImages(join(folder, "again"), command);
    expect(again.built).toBe(true);
    for (const name of store.names()) {
      expect(again.store.resolve(name), name).toEqual(store.resolve(name));
    }
  });

  it("are built again after their index was cut short", async () => {
    const place = join(folder, "again");
    writeFileSync(join(place, "index.json"), '{"schemaVersion": 2, "manif');
    const { store: repaired, built } = await ensureImages(place, command);
    expect(built).toBe(true);
    expect(repaired.names()).toEqual(store.names());
  });

  it("are served as a registry serves them: by tag, by digest, config and layers", async () => {
    expect((await get("/v2/")).status).toBe(200);
    const head = await get("/v2/coxswain/web/manifests/1.0?ns=registry.local", { method: "HEAD" });
    expect(head.status).toBe(200);
    const digest = head.headers.get("docker-content-digest") ?? "";
    expect(digest).toBe(store.resolve(WEB_IMAGE)?.digest);
    const answer = await get(`/v2/coxswain/web/manifests/${digest}`);
    const manifest = (await answer.json()) as {
      mediaType: string;
      config: Descriptor;
      layers: Descriptor[];
    };
    expect(head.headers.get("content-type")).toBe(manifest.mediaType);
    for (const { digest: part, size } of [manifest.config, ...manifest.layers]) {
      const bytes = Buffer.from(await (await get(`/v2/any/blobs/${part}`)).arrayBuffer());
      expect(bytes).toHaveLength(size);
      expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(part);
    }
  });

  it("can be fetched on from where a transfer broke", async () => {
    const digest = store.resolve(PAUSE_IMAGE)?.digest ?? "";
    const whole = await (await get(`/v2/pause/blobs/${digest}`)).text();
    const rest = await get(`/v2/pause/blobs/${digest}`, { headers: { range: "bytes=10-" } });
    expect(rest.status).toBe(206);
    expect(await rest.text()).toBe(whole.slice(10));
  });

  it("leave other names, registries and verbs to others", async () => {
    const status = async (path: string, method = "GET"): Promise<number> =>
      (await get(path, { method })).status;
    expect(await status("/v2/pause/manifests/9.9?ns=registry.local")).toBe(404);
    expect(await status("/v2/pause/manifests/3.9?ns=registry.k8s.io")).toBe(404);
    expect(await status("/v2/library/nginx/manifests/latest?ns=docker.io")).toBe(404);
    expect(await status(`/v2/x/blobs/sha256:${"0".repeat(64)}`)).toBe(404);
    expect(await status("/v2/x/blobs/..%2f..%2findex.json")).toBe(404);
    expect(await status("/v2/x/blobs/%ZZ")).toBe(400);
    expect(await status("/v2/x/blobs/uploads/", "POST")).toBe(405);
    const answer = await get("/v2/pause/manifests/9.9");
    const missing = (await answer.json()) as { errors: { code: string }[] };
    expect(missing.errors[0]?.code).toBe("MANIFEST_UNKNOWN");
  });

  it("rest on a busybox that needs no libraries", () => {
    expect(isStatic(readFileSync(findBusybox()!))).toBe(true);
    expect(isStatic(readFileSync(process.execPath))).toBe(false);
  });
});
