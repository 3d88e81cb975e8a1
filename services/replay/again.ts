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

/** Passes on one revision, by different replicas, whose records may come mixed. */
const PASSES_MAX = 64;
const ROOT_CA = "kube-root-ca.crt";

type Attempt = Decided | { readonly skipped: string };

/** Makes decisions again, on a projection that stands where they were made. */
export class Again {
  readonly #projection: ProjectionReader;
  readonly #actors: Actors;
  readonly #controllers: ReadonlyMap<string, Controller>;
  readonly #schedulers: InstanceType<Actors["SchedulersAgain"]>;
  /** Those that were begun lately; the first record of a pass comes before its others. */
  readonly #passes = new Map<string, NonNullable<SchedulingPass["whole"]>>();
  /** Of the last pass; its records come one after the other. */
  #pass: { readonly id: string; readonly plans: ReadonlyMap<Key, Plan> | string } | undefined;

  /**
   * `projection` stands at the beginning.
   * @param rootCertificate a setting of the cluster; the log may have copies of it
   */
  constructor(projection: ProjectionReader, actors: Actors, rootCertificate: string | undefined) {
    this.#projection = projection;
    this.#actors = actors;
    const certificate = publishedIn(projection) ?? rootCertificate ?? "";
    const controllers = actors.controllers({ rootCertificate: certificate });
    this.#controllers = new Map(controllers.map((one) => [one.name, one]));
    this.#schedulers = new actors.SchedulersAgain(projection);
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
    const begun = record.seen?.pass?.whole;
    if (begun !== undefined) this.#begun(id, begun);
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

  #begun(id: string, whole: NonNullable<SchedulingPass["whole"]>): void {
    this.#passes.set(id, whole);
    const [oldest] = this.#passes.keys();
    if (this.#passes.size > PASSES_MAX && oldest !== undefined) this.#passes.delete(oldest);
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

function publishedIn(projection: ProjectionReader): string | undefined {
  for (const { name, object } of projection.list("configmaps")) {
    const certificate = name === ROOT_CA && (object as ConfigMap).data?.["ca.crt"];
    if (certificate) return certificate;
  }
  return undefined;
}
