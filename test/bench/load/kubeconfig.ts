/** Where a kubeconfig points: its current context, with credentials inline or in files. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import type { Target } from "./connection.ts";

type Fields = Record<string, string | boolean | undefined>;

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly { name: string; context: { cluster: string; user: string } }[];
  readonly clusters?: readonly { name: string; cluster: Fields }[];
  readonly users?: readonly { name: string; user?: Fields }[];
}

/** @throws Error when it names no server, or a credential that only another program can give */
export function fromKubeconfig(file: string): Target {
  const config = parse(readFileSync(file, "utf8")) as Kubeconfig;
  const context = config.contexts?.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters?.find(({ name }) => name === context?.cluster)?.cluster ?? {};
  const user = config.users?.find(({ name }) => name === context?.user)?.user ?? {};
  const text = (from: Fields, field: string): string | undefined => from[field]?.toString();
  const read = (path: string): string => readFileSync(resolve(dirname(file), path), "utf8");
  const pem = (from: Fields, field: string): string | undefined => {
    const data = text(from, `${field}-data`);
    if (data !== undefined) return Buffer.from(data, "base64").toString();
    const path = text(from, field);
    return path === undefined ? undefined : read(path);
  };
  const server = text(cluster, "server");
  if (server === undefined) throw new Error(`${file}: its current context names no server`);
  if ("exec" in user || "auth-provider" in user || "username" in user) {
    throw new Error(`${file}: a client certificate or a token is needed`);
  }
  const [ca, serverName] = [
    pem(cluster, "certificate-authority"),
    text(cluster, "tls-server-name"),
  ];
  const [cert, key] = [pem(user, "client-certificate"), pem(user, "client-key")];
  const tokenFile = text(user, "tokenFile");
  const token = tokenFile === undefined ? text(user, "token") : read(tokenFile).trim();
  return {
    server,
    ...(ca !== undefined && { ca }),
    ...(cluster["insecure-skip-tls-verify"] === true && { insecure: true }),
    ...(serverName !== undefined && { serverName }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(token !== undefined && { token }),
  };
}
