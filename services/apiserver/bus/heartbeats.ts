import { keyOf } from "../../../shared/api/key.ts";
import { kindByResource } from "../../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import { formatMicroTime } from "../../../shared/api/time.ts";
import type { EngineContext } from "../context.ts";
import type { Asked } from "../decided.ts";
import type { Draft } from "../draft.ts";
import { cloneJson } from "../json.ts";
import { decideCreate } from "../verbs/create.ts";
import { decideUpdate } from "../verbs/update.ts";
import { write } from "../write.ts";
import { userOfIdentity } from "./identity.ts";

const LEASES = kindByResource("leases.coordination.k8s.io") as KindTable;
const NAMESPACE = "kube-node-lease";
/** A node's Lease is written at most this often, however often the node beats (DESIGN D7). */
const RENEW_MS = 10_000;
const LEASE_SECONDS = 40;

/** Folds the heartbeats of nodes, which only pass by on the bus, into their Leases. */
export class Heartbeats {
  readonly #context: EngineContext;
  readonly #replica: string;
  readonly #writing = new Set<string>();

  constructor(context: EngineContext, replica: string) {
    this.#context = context;
    this.#replica = replica;
  }

  /** One beat, now: nodes' own clocks may be wrong. */
  beat(node: string): void {
    if (this.#writing.has(node) || !this.#due(node)) return;
    this.#writing.add(node);
    this.#renew(node)
      .catch((error: unknown) => {
        this.#context.logger.debug({ err: error, node }, "a node's lease was not renewed");
      })
      .finally(() => this.#writing.delete(node));
  }

  #due(node: string): boolean {
    const lease = this.#context.logs.leases.projection.get(keyOfLease(node))?.object;
    const renewed = Date.parse(lease?.spec?.renewTime ?? "");
    return Number.isNaN(renewed) || this.#context.runtime.clock.now() - renewed >= RENEW_MS;
  }

  async #renew(node: string): Promise<void> {
    const user = userOfIdentity(`system:node:${node}`);
    const asked: Asked = {
      user,
      table: LEASES,
      subresource: "",
      namespace: NAMESPACE,
      name: node,
      manager: "kubelet",
    };
    await write(this.#context, {
      log: this.#context.logs.leases,
      keys: [keyOfLease(node)],
      headers: { actor: "heartbeat", replica: this.#replica, trace: "", cause: 0 },
      decide: (draft) => decideRenewal(draft, asked, node),
    });
  }
}

function keyOfLease(node: string): string {
  return keyOf("leases.coordination.k8s.io", NAMESPACE, node);
}

function decideRenewal(draft: Draft, asked: Asked, node: string): void {
  const renewTime = formatMicroTime(draft.now);
  const spec = { holderIdentity: node, leaseDurationSeconds: LEASE_SECONDS, renewTime };
  if (draft.read(keyOfLease(node)) === undefined) {
    decideCreate(draft, asked, leaseOf(draft, node, spec));
    return;
  }
  decideUpdate(draft, asked, {
    next: (old) => {
      const next = cloneJson(old);
      next.spec = { ...next.spec, ...spec };
      return next;
    },
  });
}

/** The Lease goes with its Node. */
function leaseOf(draft: Draft, node: string, spec: object): KubernetesObject {
  const owner = draft.read(keyOf("nodes", "", node));
  const uid = owner?.metadata.uid;
  const ownerReferences = uid ? [{ apiVersion: "v1", kind: "Node", name: node, uid }] : undefined;
  return {
    kind: "Lease",
    apiVersion: "coordination.k8s.io/v1",
    metadata: { name: node, namespace: NAMESPACE, ...(ownerReferences ? { ownerReferences } : {}) },
    spec,
  };
}
