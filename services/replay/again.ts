import type { Controller } from "../../shared/actor/controller.ts";
import type { Plan } from "../../shared/actor/plan.ts";
import type { ConfigMap } from "../../shared/api/generated/types.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { DecisionRecord, SchedulingPass } from "../../shared/log/decision.ts";
import type { Key, Revision } from "../../shared/store/store.ts";
import type { ProjectionReader } from "../../shared/store/view.ts";
import type { SeenByKubelet } from "../kubelet/redecide.ts";
import type { Actors } from "./actors.ts";
import type { Decided } from "./replay.ts";
import { reconcileAgain, snapshotOfRecord } from "./snapshot.ts";

const ROOT_CA = "kube-root-ca.crt";

type Attempt = Decided | { readonly skipped: string };

/** Makes decisions again, on a projection that stands where they were made. */
export class Again {
  readonly #projection: ProjectionReader;
  readonly #actors: Actors;
  readonly #controllers: ReadonlyMap<string, Controller>;
  readonly #schedulers: InstanceType<Actors["SchedulersAgain"]>;
  readonly #passes = new Map<string, NonNullable<SchedulingPass["whole"]>>();
  /** Of the last pass; its records come one after the other. */
  #pass: { readonly id: string; readonly plans: ReadonlyMap<Key, Plan> | string } | undefined;

  /** `projection` stands at the beginning; `records` has all that will be asked for. */
  constructor(projection: ProjectionReader, actors: Actors, records: readonly DecisionRecord[]) {
    this.#projection = projection;
    this.#actors = actors;
    const rootCertificate = rootCertificateOf(projection, records);
    const controllers = actors.controllers({ rootCertificate });
    this.#controllers = new Map(controllers.map((one) => [one.name, one]));
    this.#schedulers = new actors.SchedulersAgain(projection);
    for (const record of records) {
      const whole = record.seen?.pass?.whole;
      if (whole) this.#passes.set(passId(record), whole);
    }
  }

  /** Whether the actor's decisions are recorded. */
  knows(actor: string): boolean {
    return actor === "scheduler" || this.#controllers.has(actor);
  }

  /** The decision of a record, made again; in words why that cannot be. */
  decide(record: DecisionRecord, at: Revision): Attempt {
    if (record.actor === "scheduler") return this.#schedule(record);
    if (record.actor === "kubelet") return this.#kubelet(record, at);
    const controller = this.#controllers.get(record.actor);
    if (controller === undefined) return { skipped: "there is no such actor" };
    const snapshot = snapshotOfRecord(this.#projection, record);
    return reconcileAgain(controller, record.key, snapshot);
  }

  #schedule(record: DecisionRecord): Attempt {
    const id = passId(record);
    const whole = this.#passes.get(id);
    if (record.seen?.pass === undefined) return { skipped: OLD };
    if (whole === undefined) return { skipped: "the first record of its pass is lost" };
    const known = this.#pass?.id === id ? this.#pass.plans : undefined;
    const plans = known ?? this.#schedulers.decide(record.replica, whole, record.now);
    this.#pass = { id, plans };
    if (typeof plans === "string") return { skipped: plans };
    const plan = plans.get(record.key);
    return plan ? { plan } : { skipped: "its pass does not name it" };
  }

  #kubelet({ key, cause, now, seen }: DecisionRecord, at: Revision): Attempt {
    if (seen?.node === undefined) return { skipped: OLD };
    const known = seen.node as unknown as SeenByKubelet;
    if (cause === 0) {
      // It was told of no version: there is no Node yet, or remains are all there is of a pod.
      const pod = known.part === "removal" ? known.pod : undefined;
      return { plan: this.#actors.redecide(pod as KubernetesObject | undefined, now, known) };
    }
    const entry = this.#projection.get(key);
    if (entry?.revision !== at) return { skipped: "its version is older than the stretch" };
    return { plan: this.#actors.redecide(entry.object, now, known) };
  }
}

const OLD = "it was recorded by a version that did not note all it saw";

/** Passes of a replica that was started again count anew. */
function passId({ replica, decidedAt, now, seen }: DecisionRecord): string {
  return `${replica} ${decidedAt} ${now} ${seen?.pass?.number}`;
}

/** The certificate is a setting of the cluster; the log has copies of it. */
function rootCertificateOf(
  projection: ProjectionReader,
  records: readonly DecisionRecord[],
): string {
  for (const { name, object } of projection.list("configmaps")) {
    const certificate = name === ROOT_CA && (object as ConfigMap).data?.["ca.crt"];
    if (certificate) return certificate;
  }
  for (const { actor, plan } of records) {
    const [action] = actor === "root-ca" ? plan.actions : [];
    if (action && "object" in action) return action.object["data"]?.["ca.crt"] ?? "";
  }
  return "";
}
