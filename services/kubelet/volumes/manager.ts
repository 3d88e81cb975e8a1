import { chmod, chown, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Pod, Volume } from "../../../shared/api/generated/types.ts";
import { parseQuantity, quantityToNumber } from "../../../shared/api/quantity.ts";
import type { ReferenceSource } from "../pod/environment.ts";
import type { PodFacts } from "../pod/fields.ts";
import type { KubeletPaths } from "../pod/paths.ts";
import { type Payload, type PayloadFile, writeAtomically } from "./atomic-writer.ts";
import { run } from "./command.ts";
import { prepareHostPath } from "./host-path.ts";
import { giveToGroup } from "./ownership.ts";
import { configMapFiles, downwardFiles, secretFiles, VolumeError } from "./payload.ts";
import type { TokenManager } from "./tokens.ts";

const DEFAULT_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/** Sets up the volumes of pods on the node, keeps them current, and takes them down. */
export class VolumeManager {
  readonly #paths: KubeletPaths;
  readonly #tokens: TokenManager;

  constructor(paths: KubeletPaths, tokens: TokenManager) {
    this.#paths = paths;
    this.#tokens = tokens;
  }

  /**
   * Brings all volumes of the pod to what they should hold; what is right already is not touched,
   * so that this is also how volumes follow their sources.
   * @throws VolumeError that names the volume.
   */
  async setUp(facts: PodFacts, source: ReferenceSource): Promise<void> {
    for (const volume of facts.pod.spec?.volumes ?? []) {
      try {
        await this.#setUpOne(facts, volume, source);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${reason}`);
      }
    }
  }

  /** Where the volume is on the node. */
  path(pod: Pod, volume: Volume): string {
    const uid = pod.metadata.uid ?? "";
    if (volume.hostPath) return volume.hostPath.path;
    return this.#paths.volume(uid, pluginOf(volume) ?? "unknown", volume.name);
  }

  /** Unmounts and removes the pod's volumes. Does nothing when that was done before. */
  async tearDown(uid: string): Promise<void> {
    const folder = join(this.#paths.pod(uid), "volumes");
    for (const mount of await mountsBelow(folder)) await run("umount", [mount]);
    if ((await mountsBelow(folder)).length > 0) throw new VolumeError(`${folder} is still in use`);
    await rm(folder, { recursive: true, force: true });
    this.#tokens.forget(uid);
  }

  async #setUpOne(facts: PodFacts, volume: Volume, source: ReferenceSource): Promise<void> {
    if (volume.hostPath) return prepareHostPath(volume.hostPath);
    if (volume.emptyDir) return this.#emptyDir(facts.pod, volume);
    const payload = await this.#payload(facts, volume, source);
    const group = facts.pod.spec?.securityContext?.fsGroup;
    const folder = this.path(facts.pod, volume);
    await writeAtomically(folder, payload, async (path) => {
      await setOwners(path, payload);
      if (group !== undefined) await giveToGroup(path, group, true);
    });
  }

  async #emptyDir(pod: Pod, volume: Volume): Promise<void> {
    const folder = this.path(pod, volume);
    const { medium = "", sizeLimit } = volume.emptyDir ?? {};
    if (medium.startsWith("HugePages")) throw new VolumeError("huge pages are not supported");
    await mkdir(folder, { recursive: true });
    const mounted = (await mountsBelow(folder)).includes(folder);
    if (medium === "Memory" && !mounted) {
      const bytes = sizeLimit === undefined ? 0 : quantityToNumber(parseQuantity(sizeLimit));
      const options = bytes > 0 ? ["-o", `size=${Math.floor(bytes)}`] : [];
      await run("mount", ["-t", "tmpfs", ...options, "tmpfs", folder]);
    }
    const group = pod.spec?.securityContext?.fsGroup;
    await chmod(folder, 0o777);
    if (group !== undefined) await giveToGroup(folder, group, false);
  }

  async #payload(facts: PodFacts, volume: Volume, source: ReferenceSource): Promise<Payload> {
    if (volume.configMap) {
      const { name = "", items, defaultMode = DEFAULT_MODE, optional = false } = volume.configMap;
      const projection = { ...(items ? { items } : {}), defaultMode, optional };
      return configMapFiles(source.configMap(name), name, projection);
    }
    if (volume.secret) {
      const {
        secretName: name = "",
        items,
        defaultMode = DEFAULT_MODE,
        optional = false,
      } = volume.secret;
      const projection = { ...(items ? { items } : {}), defaultMode, optional };
      return secretFiles(source.secret(name), name, projection);
    }
    if (volume.downwardAPI) {
      const { items = [], defaultMode = DEFAULT_MODE } = volume.downwardAPI;
      return downwardFiles(facts, items, defaultMode);
    }
    if (volume.projected) return this.#projected(facts, volume.projected, source);
    throw new VolumeError("no volume plugin matched");
  }

  async #projected(
    facts: PodFacts,
    projected: NonNullable<Volume["projected"]>,
    source: ReferenceSource,
  ): Promise<Payload> {
    const defaultMode = projected.defaultMode ?? DEFAULT_MODE;
    const files = new Map<string, PayloadFile>();
    const add = (more: Payload): void => {
      for (const [path, file] of more) files.set(path, file);
    };
    for (const part of projected.sources ?? []) {
      if (part.configMap) {
        const { name = "", items, optional = false } = part.configMap;
        const projection = { ...(items ? { items } : {}), defaultMode, optional };
        add(configMapFiles(source.configMap(name), name, projection));
      } else if (part.secret) {
        const { name = "", items, optional = false } = part.secret;
        const projection = { ...(items ? { items } : {}), defaultMode, optional };
        add(secretFiles(source.secret(name), name, projection));
      } else if (part.downwardAPI) {
        add(downwardFiles(facts, part.downwardAPI.items ?? [], defaultMode));
      } else if (part.serviceAccountToken) {
        add(await this.#token(facts.pod, part.serviceAccountToken, defaultMode));
      } else {
        throw new VolumeError("the projected source is not supported on this node");
      }
    }
    return files;
  }

  async #token(
    pod: Pod,
    wish: { audience?: string; expirationSeconds?: number; path: string },
    defaultMode: number,
  ): Promise<Payload> {
    const token = await this.#tokens.token(pod, {
      audience: wish.audience,
      expirationSeconds: wish.expirationSeconds ?? TOKEN_SECONDS,
    });
    // A token is for the pod's user (or group) alone where there is one.
    const uid = soleUser(pod);
    const shared = uid === undefined && pod.spec?.securityContext?.fsGroup === undefined;
    const mode = shared ? defaultMode : 0o600;
    return new Map([
      [wish.path, { data: Buffer.from(token), mode, ...(uid === undefined ? {} : { uid }) }],
    ]);
  }
}

/** The user as whom all containers of the pod run, if it is one and said. */
function soleUser(pod: Pod): number | undefined {
  const shared = pod.spec?.securityContext?.runAsUser;
  const users = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(
    (container) => container.securityContext?.runAsUser ?? shared,
  );
  return new Set(users).size === 1 ? users[0] : undefined;
}

async function setOwners(folder: string, payload: Payload): Promise<void> {
  for (const [path, { uid }] of payload) {
    if (uid !== undefined) await chown(join(folder, path), uid, uid);
  }
}

/** Upstream's names, which are part of the path on the node. */
function pluginOf(volume: Volume): string | undefined {
  if (volume.emptyDir) return "empty-dir";
  if (volume.configMap) return "configmap";
  if (volume.secret) return "secret";
  if (volume.projected) return "projected";
  if (volume.downwardAPI) return "downward-api";
  return undefined;
}

/** Mount points at or below the folder, the deepest first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table
    .split("\n")
    .map((line) => unescapeMount(line.split(" ")[4] ?? ""))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}

/** The kernel writes blanks and the like as octal codes. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
}
