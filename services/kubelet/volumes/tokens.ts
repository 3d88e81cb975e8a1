import type { TokenRequestMessage } from "../../../shared/actor/api.ts";
import type { ApiClient } from "../../../shared/actor/client.ts";
import type { Pod } from "../../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";

/** A token is replaced when this much of its life is over, or when it is a day old. */
const REFRESH_AT = 0.8;
const REFRESH_AFTER_MS = 24 * 3600 * 1000;

export interface TokenWish {
  readonly audience: string | undefined;
  readonly expirationSeconds: number;
}

interface KeptToken {
  readonly token: string;
  readonly refreshAt: number;
}

/** Tokens of pods' service accounts, asked for once and again before they run out. */
export class TokenManager {
  readonly #client: ApiClient;
  readonly #runtime: Runtime;
  readonly #tokens = new Map<string, KeptToken>();

  constructor(client: ApiClient, runtime: Runtime) {
    this.#client = client;
    this.#runtime = runtime;
  }

  /** A token that is valid now. @throws ApiError when the API server refuses. */
  async token(pod: Pod, wish: TokenWish): Promise<string> {
    const key = `${pod.metadata.uid}/${wish.audience ?? ""}/${wish.expirationSeconds}`;
    const kept = this.#tokens.get(key);
    const now = this.#runtime.clock.now();
    if (kept && now < kept.refreshAt) return kept.token;
    const message: TokenRequestMessage = {
      namespace: pod.metadata.namespace ?? "",
      name: pod.spec?.serviceAccountName || "default",
      request: tokenRequest(pod, wish),
    };
    const answer = (await this.#client.request("token", message)) as KubernetesObject;
    const token = String(answer["status"]?.token);
    const expiresAt = Date.parse(String(answer["status"]?.expirationTimestamp));
    const lifeMs = Number.isNaN(expiresAt) ? wish.expirationSeconds * 1000 : expiresAt - now;
    const refreshAt = now + Math.min(lifeMs * REFRESH_AT, REFRESH_AFTER_MS);
    this.#tokens.set(key, { token, refreshAt });
    return token;
  }

  /** Forgets the tokens of a pod. */
  forget(uid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`${uid}/`)) this.#tokens.delete(key);
  }
}

function tokenRequest(pod: Pod, wish: TokenWish): KubernetesObject {
  const { name, namespace, uid } = pod.metadata;
  return {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: {
      name: pod.spec?.serviceAccountName || "default",
      ...(namespace ? { namespace } : {}),
    },
    spec: {
      audiences: wish.audience ? [wish.audience] : [],
      expirationSeconds: wish.expirationSeconds,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name, ...(uid ? { uid } : {}) },
    },
  };
}
