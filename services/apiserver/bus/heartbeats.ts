import { StatusError } from "../../../shared/api/errors.ts";
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
/** Leases written as one: few enough that no other request waits long for the decision. */
const LEASES_PER_WRITE_MAX = 100;

/** Folds the heartbeats of nodes, which only pass by on the bus, into their Leases. */
export class Heartbeats {
  readonly #context: EngineContext;
  readonly #replica: string;
  /** Nodes whose Leases are to be renewed, or are being renewed. */
  readonly #due = new Set<string>();
  #renewing = false;

  constructor(context: EngineContext, replica: string) {
    this.#context = context;
    this.#replica = replica;
  }

  /** The nodes beat, now: their own clocks may be wrong. */
  beat(nodes: readonly string[]): void {
    for (const node of nodes) if (this.#isDue(node)) this.#due.add(node);
    if (this.#due.size > 0 && !this.#renewing) void this.#renewAll();
  }

  #isDue(node: string): boolean {
    const lease = this.#context.logs.leases.projection.get(keyOfLease(node))?.object;
    const renewed = Date.parse(lease?.spec?.renewTime ?? "");
    return Number.isNaN(renewed) || this.#context.runtime.clock.now() - renewed >= RENEW_MS;
  }

  async #renewAll(): Promise<void> {
    this.#renewing = true;
    while (this.#due.size > 0) {
      const nodes = [...this.#due].slice(0, LEASES_PER_WRITE_MAX);
      try {
        await this.#renew(nodes);
      } catch (error) {
        // The next beats will try again.
        this.#context.logger.debug({ err: error, nodes }, "nodes' leases were not renewed");
      }
      for (const node of nodes) this.#due.delete(node);
    }
    this.#renewing = false;
  }

  async #renew(nodes: readonly string[]): Promise<void> {
    await write(this.#context, {
      log: this.#context.logs.leases,
      keys: nodes.map(keyOfLease),
      headers: { actor: "heartbeat", replica: this.#replica, trace: "", cause: 0 },
      decide: (draft) => {
        for (const node of nodes) this.#decide(draft, node);
      },
    });
  }

  /** A Lease that may not be written must not hold up the others. */
  #decide(draft: Draft, node: string): void {
    draft.mark();
    try {
      decideRenewal(draft, node);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      draft.rollback();
      this.#context.logger.debug({ err: error, node }, "a node's lease was not renewed");
    }
  }
}

function keyOfLease(node: string): string {
  return keyOf("leases.coordination.k8s.io", NAMESPACE, node);
}

function decideRenewal(draft: Draft, node: string): void {
  const key = keyOfLease(node);
  const renewTime = formatMicroTime(draft.now);
  const spec = { holderIdentity: node, leaseDurationSeconds: LEASE_SECONDS, renewTime };
  const old = draft.read(key);
  if (old === undefined) {
    decideCreate(draft, asOwner(node), leaseOf(draft, node, spec));
  } else if (isRenewed(old, spec)) {
    // Nothing but the time moves, in a field that the agent owns: there is nothing to check.
    draft.put(key, { ...old, spec: { ...old.spec, renewTime } });
  } else {
    const next = (before: KubernetesObject): KubernetesObject => {
      const object = cloneJson(before);
      object.spec = { ...object.spec, ...spec };
      return object;
    };
    decideUpdate(draft, asOwner(node), { next });
  }
}

function isRenewed({ spec }: KubernetesObject, next: Readonly<Record<string, unknown>>): boolean {
  return (
    spec?.holderIdentity === next["holderIdentity"] &&
    spec?.leaseDurationSeconds === next["leaseDurationSeconds"]
  );
}

function asOwner(node: string): Asked {
  const user = userOfIdentity(`system:node:${node}`);
  return {
    user,
    table: LEASES,
    subresource: "",
    namespace: NAMESPACE,
    name: node,
    manager: "kubelet",
  };
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
