import { USER_MARK } from "../../services/verify/invariants.ts";
import type { ResourceMessage, ResourceReply } from "../../shared/actor/api.ts";
import type { ApiClient } from "../../shared/actor/client.ts";
import type { KubernetesObject, ObjectMeta } from "../../shared/api/object.ts";
import type { RandomStream, Runtime } from "../../shared/runtime/runtime.ts";

/** One thing that the simulated user does. */
export interface Operation {
  /** After the one before, virtual milliseconds. */
  readonly afterMs: number;
  readonly what: string;
  readonly message: ResourceMessage;
  /** A pod to be chosen when the time has come: the message is completed with its name. */
  readonly anyPodOf?: string;
}

interface Model {
  /** Replicas by deployment, by namespace. */
  readonly namespaces: Map<string, Map<string, number>>;
  /** Next number for a mark or a version. */
  next: number;
}

const NAMESPACES = ["default", "blue", "green"];
const NAMES = ["web", "api", "db"];
const REPLICAS_MAX = 6;
const REPLICAS_IN_ALL_MAX = 24;

/**
 * Draws what the user does: a sequence that makes sense (nothing is changed that was not created
 * before), so that every step must succeed in the end.
 */
export function drawWorkload(random: RandomStream, steps: number): Operation[] {
  const model: Model = { namespaces: new Map([["default", new Map()]]), next: 1 };
  const operations: Operation[] = [];
  while (operations.length < steps) {
    const drawn = drawOperation(random, model);
    for (const operation of drawn) {
      operations.push({ ...operation, afterMs: Math.floor(random.next() * 1_500) });
    }
  }
  return operations;
}

type Drawn = Omit<Operation, "afterMs">;

function drawOperation(random: RandomStream, model: Model): Drawn[] {
  const mark = model.next++;
  const namespace = pick(random, [...model.namespaces.keys()]);
  const deployments = model.namespaces.get(namespace) as Map<string, number>;
  const choice = random.next();
  if (choice < 0.08) return createNamespace(random, model);
  if (choice < 0.12 && namespace !== "default") return deleteNamespace(model, namespace);
  if (deployments.size === 0 || choice < 0.3) {
    return createDeployment(random, model, namespace, mark);
  }
  const name = pick(random, [...deployments.keys()]);
  if (choice < 0.38) {
    deployments.delete(name);
    return [deleteDeployment(random, namespace, name)];
  }
  if (choice < 0.5) return [{ ...deletePod(namespace, name), anyPodOf: name }];
  const spec = drawChange(random, mark, drawReplicas(random, model, deployments.get(name)));
  if (spec["replicas"] !== undefined) deployments.set(name, spec["replicas"] as number);
  return [
    {
      what: `${JSON.stringify(spec)} for ${namespace}/${name}`,
      message: {
        verb: "patch",
        resource: "deployments.apps",
        namespace,
        name,
        contentType: "application/merge-patch+json",
        body: { metadata: { annotations: { [`${USER_MARK}${mark}`]: "done" } }, spec },
      },
    },
  ];
}

/** A new scale, a new version, both, or another strategy. */
function drawChange(random: RandomStream, mark: number, replicas: number): Record<string, unknown> {
  const kind = random.next();
  const version = { spec: { containers: [container(mark)] } };
  if (kind < 0.4) return { replicas };
  if (kind < 0.8) return { template: version };
  if (kind < 0.9) return { template: version, replicas };
  return { strategy: drawStrategy(random) };
}

function createNamespace(random: RandomStream, model: Model): Drawn[] {
  const missing = NAMESPACES.filter((name) => !model.namespaces.has(name));
  if (missing.length === 0) return [];
  const name = pick(random, missing);
  model.namespaces.set(name, new Map());
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  return [
    { what: `create namespace ${name}`, message: { verb: "create", resource: "namespaces", body } },
  ];
}

function deleteNamespace(model: Model, name: string): Drawn[] {
  model.namespaces.delete(name);
  const message: ResourceMessage = { verb: "delete", resource: "namespaces", name };
  return [{ what: `delete namespace ${name}`, message }];
}

/** All pods together find room, with some for rollouts, but not much more. */
function drawReplicas(random: RandomStream, { namespaces }: Model, present = 0): number {
  const all = [...namespaces.values()].flatMap((deployments) => [...deployments.values()]);
  const others = all.reduce((sum, replicas) => sum + replicas, 0) - present;
  return random.integer(Math.min(REPLICAS_MAX, REPLICAS_IN_ALL_MAX - others) + 1);
}

/** With a Service in front of it, mostly. */
function createDeployment(
  random: RandomStream,
  model: Model,
  namespace: string,
  mark: number,
): Drawn[] {
  const deployments = model.namespaces.get(namespace) as Map<string, number>;
  const missing = NAMES.filter((name) => !deployments.has(name));
  if (missing.length === 0) return [];
  const name = pick(random, missing);
  const replicas = drawReplicas(random, model);
  deployments.set(name, replicas);
  const labels = { app: name };
  const deployment: KubernetesObject = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, annotations: { [`${USER_MARK}${mark}`]: "done" } },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: drawStrategy(random),
      template: { metadata: { labels }, spec: { containers: [container(mark)] } },
    },
  };
  const message: ResourceMessage = {
    verb: "create",
    resource: "deployments.apps",
    namespace,
    body: deployment,
  };
  const created = { what: `create deployment ${namespace}/${name}`, message };
  if (random.next() < 0.4) return [created];
  return [created, ensureService(namespace, name)];
}

/** Applied, since it stays when the deployment goes. */
function ensureService(namespace: string, name: string): Drawn {
  const body = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  return {
    what: `apply service ${namespace}/${name}`,
    message: {
      verb: "patch",
      resource: "services",
      namespace,
      name,
      contentType: "application/apply-patch+yaml",
      query: { fieldManager: "user", force: "true" },
      body,
    },
  };
}

function deleteDeployment(random: RandomStream, namespace: string, name: string): Drawn {
  const propagationPolicy = pick(random, ["Background", "Foreground"]);
  return {
    what: `delete deployment ${namespace}/${name} (${propagationPolicy})`,
    message: {
      verb: "delete",
      resource: "deployments.apps",
      namespace,
      name,
      body: { ...DELETE_OPTIONS, propagationPolicy },
    },
  };
}

function deletePod(namespace: string, of: string): Drawn {
  return {
    what: `delete a pod of ${namespace}/${of}`,
    message: { verb: "delete", resource: "pods", namespace },
  };
}

function drawStrategy(random: RandomStream): Record<string, unknown> {
  const kind = random.next();
  if (kind < 0.15) return { type: "Recreate", rollingUpdate: null };
  const bounds: readonly (number | string)[] = [0, 1, 2, "25%", "50%"];
  const maxSurge = pick(random, bounds);
  const unavailable = pick(random, bounds);
  const maxUnavailable = maxSurge === 0 && unavailable === 0 ? 1 : unavailable;
  return { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } };
}

function container(version: number): Record<string, unknown> {
  return {
    name: "main",
    image: `example/app:${version}`,
    resources: { requests: { cpu: "500m", memory: "64Mi" } },
  };
}

function pick<T>(random: RandomStream, from: readonly T[]): T {
  return from[random.integer(from.length)] as T;
}

const RETRY_MS = 200;
const DELETE_OPTIONS = { apiVersion: "v1", kind: "DeleteOptions" };

/** Carries out a workload, one operation after the other, each until it is answered for good. */
export class User {
  readonly #runtime: Runtime;
  readonly #client: ApiClient;
  readonly #trace: (line: string) => void;
  /** What an apiserver answered that it must not have. */
  readonly complaints: string[] = [];
  finished = false;
  /** Operations that are over. */
  done = 0;
  /** Waited for after each operation. */
  settled: (() => Promise<void>) | undefined;
  /** False: patches and deletions do not say what they mean to change. */
  guarded = true;

  constructor(runtime: Runtime, client: ApiClient, trace: (line: string) => void) {
    this.#runtime = runtime;
    this.#client = client;
    this.#trace = trace;
  }

  async run(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      await this.#runtime.timers.sleep(operation.afterMs);
      this.#trace(`user: ${operation.what}`);
      await this.#carryOut(operation);
      await this.settled?.();
      this.done++;
    }
    this.finished = true;
  }

  async #carryOut(operation: Operation): Promise<void> {
    const chosen = await this.#complete(operation);
    if (chosen === undefined) return;
    for (let attempt = 0; ; attempt++) {
      const message = await this.#guarded(chosen);
      if (message === "done") return;
      if (message !== "again") {
        const reply = await this.#ask(message);
        if (reply && (await this.#isSettled(operation, message, reply, attempt))) return;
      }
      await this.#runtime.timers.sleep(RETRY_MS);
    }
  }

  /** Undefined when there is no pod to choose. */
  async #complete({ message, anyPodOf }: Operation): Promise<ResourceMessage | undefined> {
    if (anyPodOf === undefined) return message;
    const query = { labelSelector: `app=${anyPodOf}` };
    const { resource, namespace } = message;
    const list = { verb: "list", resource, query, ...(namespace ? { namespace } : {}) } as const;
    const reply = await this.#ask(list);
    const pods = (reply?.body as { items?: KubernetesObject[] } | undefined)?.items ?? [];
    const name = pods[0]?.metadata.name;
    return name === undefined ? undefined : { ...message, name };
  }

  /**
   * A patch names the version that it changes, a deletion the object that it ends: an attempt that
   * was given up may still be under way, and must not come true after what the user did next.
   */
  async #guarded(message: ResourceMessage): Promise<ResourceMessage | "done" | "again"> {
    if (!["patch", "delete"].includes(message.verb) || !this.guarded) return message;
    const { resource, namespace, name } = message;
    const reply = await this.#ask({ verb: "get", resource, namespace, name } as ResourceMessage);
    if (reply === undefined || reply.code >= 500) return "again";
    const present = (reply.body as KubernetesObject).metadata as ObjectMeta | undefined;
    if (message.verb === "delete") {
      if (reply.code === 404) return "done";
      const preconditions = { uid: present?.uid };
      return { ...message, body: { ...DELETE_OPTIONS, ...(message.body ?? {}), preconditions } };
    }
    const body = message.body as { metadata: Partial<ObjectMeta> };
    const marks = Object.keys(body.metadata.annotations ?? {});
    if (marks.some((mark) => present?.annotations?.[mark] !== undefined)) return "done";
    const resourceVersion = present?.resourceVersion;
    const metadata = { ...body.metadata, ...(resourceVersion && { resourceVersion }) };
    return { ...message, body: { ...body, metadata } };
  }

  async #ask(message: ResourceMessage): Promise<ResourceReply | undefined> {
    try {
      return (await this.#client.request("request", message)) as ResourceReply;
    } catch {
      return undefined;
    }
  }

  /** Whether the answer ends the operation. A step that can never succeed is a complaint. */
  async #isSettled(
    operation: Operation,
    message: ResourceMessage,
    reply: ResourceReply,
    attempt: number,
  ): Promise<boolean> {
    if (reply.code < 300) return true;
    const text = (reply.body as { message?: string }).message ?? "";
    this.#trace(`user: ${reply.code} ${text}`);
    if (reply.code >= 500 || reply.code === 429) return false;
    if (message.verb === "delete" && (reply.code === 404 || reply.code === 409)) return true;
    // Its namesake still ends, or the first attempt was taken and its answer lost.
    if (message.verb === "create" && reply.code === 409) return this.#isOurs(message);
    // Its namespace still ends: this replica has not seen the new one yet.
    if (message.verb === "create" && reply.code === 403) return false;
    if (message.verb === "patch" && reply.code === 409) return false;
    this.complaints.push(`${operation.what}: ${reply.code} ${text} (attempt ${attempt + 1})`);
    return true;
  }

  /** The object that is there is the one to be created. */
  async #isOurs({ resource, namespace, body }: ResourceMessage): Promise<boolean> {
    const wanted = body as KubernetesObject;
    const reply = await this.#ask({
      verb: "get",
      resource,
      name: wanted.metadata.name,
      ...(namespace ? { namespace } : {}),
    });
    if (reply?.code !== 200) return false;
    const { metadata } = reply.body as KubernetesObject;
    if (metadata.deletionTimestamp !== undefined) return false;
    const marks = Object.keys(wanted.metadata.annotations ?? {});
    return marks.every((mark) => metadata.annotations?.[mark] !== undefined);
  }
}
