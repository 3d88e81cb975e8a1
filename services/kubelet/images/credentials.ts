import { z } from "zod";
import type { Secret } from "../../../shared/api/generated/types.ts";
import type { RegistryCredentials } from "../runtimes/runtime.ts";
import { registryOf } from "./reference.ts";

const entry = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
});
const registries = z.record(z.string(), entry);
const configFile = z.object({ auths: registries });

/**
 * The credentials that the pull secrets hold for the image's registry, in the secrets' order. A
 * secret that cannot be read holds none.
 */
export function credentialsFor(image: string, secrets: readonly Secret[]): RegistryCredentials[] {
  const registry = registryOf(image);
  const found: RegistryCredentials[] = [];
  for (const secret of secrets) {
    for (const [address, { username, password, auth }] of Object.entries(entriesOf(secret))) {
      if (!matches(address, registry, image)) continue;
      const [name, word] = auth
        ? splitOnce(Buffer.from(auth, "base64").toString("utf8"))
        : [username ?? "", password ?? ""];
      found.push({ username: name, password: word, serverAddress: address });
    }
  }
  return found;
}

function entriesOf(secret: Secret): z.infer<typeof registries> {
  try {
    const json = (key: string): unknown =>
      JSON.parse(Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8"));
    if (secret.data?.[".dockerconfigjson"])
      return configFile.parse(json(".dockerconfigjson")).auths;
    if (secret.data?.[".dockercfg"]) return registries.parse(json(".dockercfg"));
  } catch {
    // Upstream skips secrets that it cannot read, too; the pull says what is missing.
  }
  return {};
}

function matches(address: string, registry: string, image: string): boolean {
  const plain = address.replace(/^https?:\/\//, "").replace(/\/(v1|v2)?\/?$/, "");
  const host = plain.split("/")[0] as string;
  if (registry === "docker.io") return /^(index\.)?docker\.io$/.test(host);
  return host === registry && (plain === host || image.startsWith(plain));
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(":");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
