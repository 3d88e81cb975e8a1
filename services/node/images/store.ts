import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../command.ts";
import { buildCatalog, findBusybox, recipeName } from "./catalog.ts";
import { type Descriptor, descriptorOf, type Image } from "./image.ts";

/**
 * Images on disk in the OCI image layout: `oci-layout`, `index.json`, `blobs/sha256/<hex>`. The
 * index names each image in full (`registry.local/pause:3.9`).
 */
export interface ImageStore {
  readonly directory: string;
  /** Manifest of an image by full name. */
  resolve(name: string): Descriptor | undefined;
  /** All names, sorted. */
  names(): string[];
}

const NAME_ANNOTATION = "org.opencontainers.image.ref.name";
const RECIPE_ANNOTATION = "io.coxswain.recipe";
const DIGEST = /^sha256:[0-9a-f]{64}$/;

interface Index {
  schemaVersion: 2;
  manifests: (Descriptor & { annotations?: Record<string, string> })[];
  annotations?: Record<string, string>;
}

/** Opens the layout in `directory`; it may be empty. The index is read anew when it has changed. */
export function openImages(directory: string): ImageStore {
  const lookup = (): Map<string, Descriptor> =>
    new Map(
      (readIndex(directory)?.manifests ?? []).map(({ annotations, ...descriptor }) => [
        annotations?.[NAME_ANNOTATION] ?? "",
        descriptor,
      ]),
    );
  return {
    directory,
    resolve: (name) => lookup().get(name),
    names: () => [...lookup().keys()].filter((name) => name !== "").sort(),
  };
}

/** Path of a blob, or undefined when the digest is malformed or not here. */
export function blobPath(store: ImageStore, digest: string): string | undefined {
  if (!DIGEST.test(digest)) return undefined;
  const path = placeOf(store.directory, digest);
  return existsSync(path) ? path : undefined;
}

/**
 * Sees that the images that every cluster needs are there, and builds them when they are missing or
 * of an older recipe. Images that somebody else put into the layout stay.
 * @throws Error when the machine has no static busybox to build from.
 */
export async function ensureImages(
  directory: string,
  command: Command,
): Promise<{ store: ImageStore; built: boolean }> {
  const busybox = findBusybox();
  if (busybox === undefined) {
    throw new Error("no static busybox on this machine (Debian package busybox-static)");
  }
  const recipe = recipeName(readFileSync(busybox));
  const index = readIndex(directory);
  if (index?.annotations?.[RECIPE_ANNOTATION] === recipe) {
    return { store: openImages(directory), built: false };
  }
  const images = await buildCatalog(command, busybox);
  for (const image of images.values()) writeImage(directory, image);
  const others = (index?.manifests ?? []).filter(
    (entry) => !images.has(entry.annotations?.[NAME_ANNOTATION] ?? ""),
  );
  writeIndex(directory, {
    schemaVersion: 2,
    manifests: [
      ...others,
      ...[...images].map(([name, image]) => ({
        ...descriptorOf(image.manifest),
        annotations: { [NAME_ANNOTATION]: name },
      })),
    ],
    annotations: { [RECIPE_ANNOTATION]: recipe },
  });
  return { store: openImages(directory), built: true };
}

function writeImage(directory: string, image: Image): void {
  mkdirSync(join(directory, "blobs", "sha256"), { recursive: true });
  for (const blob of [...image.blobs, image.manifest]) {
    replaceFile(placeOf(directory, blob.digest), blob.bytes);
  }
}

function readIndex(directory: string): Index | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as Index;
  } catch (error) {
    // A file cut short by a crash counts as absent: everything in it can be built again.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

function writeIndex(directory: string, index: Index): void {
  replaceFile(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  replaceFile(join(directory, "index.json"), `${JSON.stringify(index, undefined, 2)}\n`);
}

/** Readers see the old bytes or the new ones, never a part. */
function replaceFile(path: string, content: Buffer | string): void {
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, content);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

function placeOf(directory: string, digest: string): string {
  return join(directory, "blobs", "sha256", digest.slice("sha256:".length));
}
