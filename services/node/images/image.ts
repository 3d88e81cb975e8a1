import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

/** A file, folder or link of an image layer. `mode` defaults to 0644, folders 0755. */
export interface LayerEntry {
  /** Relative to the image's root, without a leading slash. */
  readonly path: string;
  readonly content?: Buffer | string;
  /** Present for a symbolic link. */
  readonly link?: string;
  readonly folder?: true;
  readonly mode?: number;
  readonly owner?: number;
}

/** What the image runs, in OCI's terms. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly ports?: readonly string[];
}

/** Content-addressed bytes and what they are. */
export interface Blob {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export interface Layer {
  readonly blob: Blob;
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
}

export interface Image {
  readonly manifest: Blob;
  /** Config and layers. */
  readonly blobs: readonly Blob[];
}

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip";
/** One fixed time for all files, so that the same content gives the same bytes. */
const EPOCH = new Date(0);

/** `sha256:<hex>` of the bytes. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** OCI's name of this machine's architecture. */
export function ociArchitecture(architecture: string = process.arch): string {
  return architecture === "x64" ? "amd64" : architecture;
}

/** Packs the entries, in that order, as a compressed layer; equal entries give equal bytes. */
export async function buildLayer(entries: readonly LayerEntry[]): Promise<Layer> {
  const archive = pack();
  const chunks: Buffer[] = [];
  const done = (async () => {
    for await (const chunk of archive) chunks.push(chunk as Buffer);
  })();
  for (const entry of entries) {
    const type = entry.folder ? "directory" : entry.link === undefined ? "file" : "symlink";
    const owner = entry.owner ?? 0;
    archive.entry(
      {
        name: entry.folder ? `${entry.path}/` : entry.path,
        type,
        mode: entry.mode ?? (type === "file" ? 0o644 : type === "symlink" ? 0o777 : 0o755),
        uid: owner,
        gid: owner,
        mtime: EPOCH,
        ...(entry.link === undefined ? {} : { linkname: entry.link }),
      },
      type === "file" ? (entry.content ?? "") : "",
    );
  }
  archive.finalize();
  await done;
  const plain = Buffer.concat(chunks);
  const bytes = gzipSync(plain, { level: 6 });
  // Byte 9 of a gzip header names the operating system that packed it; 255 is "unknown".
  bytes[9] = 255;
  return {
    blob: { digest: digestOf(bytes), mediaType: LAYER_TYPE, bytes },
    diffId: digestOf(plain),
  };
}

/** Joins layers and configuration to an image of this machine's architecture. */
export function buildImage(layers: readonly Layer[], config: ImageConfig): Image {
  const configBlob = jsonBlob(CONFIG_TYPE, {
    created: EPOCH.toISOString(),
    architecture: ociArchitecture(),
    os: "linux",
    config: {
      ...(config.user ? { User: config.user } : {}),
      ...(config.ports
        ? { ExposedPorts: Object.fromEntries(config.ports.map((port) => [port, {}])) }
        : {}),
      Env: config.environment ?? ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      ...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
      ...(config.command ? { Cmd: config.command } : {}),
      WorkingDir: config.workingDirectory ?? "/",
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: EPOCH.toISOString(), created_by: "coxswain" })),
  });
  const manifest = jsonBlob(MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: descriptorOf(configBlob),
    layers: layers.map((layer) => descriptorOf(layer.blob)),
  });
  return { manifest, blobs: [configBlob, ...layers.map((layer) => layer.blob)] };
}

/** OCI's reference to a blob. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function descriptorOf(blob: Blob): Descriptor {
  return { mediaType: blob.mediaType, digest: blob.digest, size: blob.bytes.length };
}

function jsonBlob(mediaType: string, value: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { digest: digestOf(bytes), mediaType, bytes };
}
