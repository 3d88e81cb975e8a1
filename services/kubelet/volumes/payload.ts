import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Secret,
} from "../../../shared/api/generated/types.ts";
import { type PodFacts, podField, resourceField } from "../pod/fields.ts";
import type { PayloadFile } from "./atomic-writer.ts";

/** Why a volume cannot be set up; the message is for the FailedMount event. */
export class VolumeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

export interface Projection {
  readonly items?: readonly KeyToPath[];
  readonly defaultMode: number;
  readonly optional: boolean;
}

/** The files of a ConfigMap, or of those keys that are chosen. @throws VolumeError. */
export function configMapFiles(
  map: ConfigMap | undefined,
  name: string,
  projection: Projection,
): Map<string, PayloadFile> {
  if (!map && !projection.optional) throw new VolumeError(`configmap "${name}" not found`);
  const data = new Map<string, Buffer>();
  for (const [key, value] of Object.entries(map?.data ?? {})) data.set(key, Buffer.from(value));
  for (const [key, value] of Object.entries(map?.binaryData ?? {})) {
    data.set(key, Buffer.from(String(value), "base64"));
  }
  return project(data, projection, (key) => `configmap references non-existent config key: ${key}`);
}

/** The files of a Secret, likewise. @throws VolumeError. */
export function secretFiles(
  secret: Secret | undefined,
  name: string,
  projection: Projection,
): Map<string, PayloadFile> {
  if (!secret && !projection.optional) throw new VolumeError(`secret "${name}" not found`);
  const data = new Map<string, Buffer>();
  for (const [key, value] of Object.entries(secret?.data ?? {})) {
    data.set(key, Buffer.from(value, "base64"));
  }
  return project(data, projection, (key) => `references non-existent secret key: ${key}`);
}

function project(
  data: ReadonlyMap<string, Buffer>,
  { items, defaultMode, optional }: Projection,
  missing: (key: string) => string,
): Map<string, PayloadFile> {
  const files = new Map<string, PayloadFile>();
  if (!items) {
    for (const [key, value] of data) files.set(key, { data: value, mode: defaultMode });
    return files;
  }
  for (const { key, path, mode } of items) {
    const value = data.get(key);
    if (value !== undefined) files.set(path, { data: value, mode: mode ?? defaultMode });
    else if (!optional) throw new VolumeError(missing(key));
  }
  return files;
}

/** Fields of the pod as files. @throws VolumeError. */
export function downwardFiles(
  facts: PodFacts,
  items: readonly DownwardAPIVolumeFile[],
  defaultMode: number,
): Map<string, PayloadFile> {
  const files = new Map<string, PayloadFile>();
  for (const { path, fieldRef, resourceFieldRef, mode } of items) {
    const text = fieldRef
      ? podField(facts, fieldRef)
      : resourceFieldRef
        ? resourceField(facts.pod, undefined, resourceFieldRef, facts.node)
        : "";
    files.set(path, { data: Buffer.from(text), mode: mode ?? defaultMode });
  }
  return files;
}
