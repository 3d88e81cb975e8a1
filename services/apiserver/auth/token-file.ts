import { createHash } from "node:crypto";
import { linkSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { UserInfo } from "../request.ts";

/** Users by the hash of their static bearer token: comparing hashes gives away no token. */
export type StaticTokens = ReadonlyMap<string, UserInfo>;

/** How a static token is looked up. */
export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/**
 * Reads a static token file as Kubernetes does: a line per token, `token,user,uid,"group1,group2"`.
 * @throws Error naming the line that cannot be read.
 */
export function parseTokenFile(text: string): StaticTokens {
  const users = new Map<string, UserInfo>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^([^,"]+),([^,"]+),([^,"]*)(?:,(?:"([^"]*)"|([^",]*)))?$/.exec(line.trim());
    if (match === null) throw new Error(`token file, line ${index + 1}: not token,user,uid,groups`);
    const [, token = "", username = "", uid = "", quoted, plain] = match;
    const groups = (quoted ?? plain ?? "").split(",").filter((group) => group !== "");
    users.set(tokenHash(token), {
      username,
      ...(uid === "" ? {} : { uid }),
      groups: [...groups, "system:authenticated"],
    });
  }
  return users;
}

/**
 * The static tokens of a cluster; writes the file with one for the administrator when there is
 * none yet (mode 0600; the first of several processes wins).
 */
export function ensureTokenFile(path: string, runtime: Runtime): StaticTokens {
  try {
    return parseTokenFile(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const random = runtime.random.stream("tokens");
  const token = Buffer.from(random.bytes(32)).toString("base64url");
  const temporary = `${path}.${Buffer.from(random.bytes(6)).toString("hex")}`;
  writeFileSync(temporary, `${token},kubernetes-admin,,"system:masters"\n`, { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    unlinkSync(temporary);
  }
  return parseTokenFile(readFileSync(path, "utf8"));
}
