import type { Pod, Volume } from "../../../../shared/api/generated/types.ts";
import type { ProjectionReader } from "../../../../shared/store/view.ts";
import type { AuthorizationAttributes, UserInfo } from "../../request.ts";
import { ruleAllows } from "./rules.ts";

const NODE_PREFIX = "system:node:";
const NODES_GROUP = "system:nodes";
const LEASE_NAMESPACE = "kube-node-lease";

type Decision = { readonly allowed: boolean; readonly reason: string };
const ALLOWED: Decision = { allowed: true, reason: "" };
const denied = (reason: string): Decision => ({ allowed: false, reason });

/** What every node agent may do, whatever runs on its node. */
const NODE_RULES = [
  {
    apiGroups: ["authentication.k8s.io"],
    resources: ["tokenreviews"],
    verbs: ["create"],
  },
  {
    apiGroups: ["authorization.k8s.io"],
    resources: ["subjectaccessreviews", "localsubjectaccessreviews"],
    verbs: ["create"],
  },
  { apiGroups: [""], resources: ["services"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["", "events.k8s.io"], resources: ["events"], verbs: ["create", "update", "patch"] },
  {
    apiGroups: ["node.k8s.io"],
    resources: ["runtimeclasses"],
    verbs: ["get", "list", "watch"],
  },
];

/** The name of the node whose agent the user is. */
export function nodeOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith(NODE_PREFIX) || !user.groups.includes(NODES_GROUP)) {
    return undefined;
  }
  return user.username.slice(NODE_PREFIX.length) || undefined;
}

/**
 * Node agents: their own Node, Lease and pods, and of Secrets, ConfigMaps, ServiceAccounts only
 * what pods on their node refer to. Writes are limited to the agent's own node and pods here, too,
 * where Kubernetes leaves that to an admission plugin.
 */
export class NodeAuthorizer {
  readonly #projection: ProjectionReader;

  constructor(projection: ProjectionReader) {
    this.#projection = projection;
  }

  authorize(node: string, request: AuthorizationAttributes): Decision {
    if (request.path === undefined) {
      switch (request.group === "" ? request.resource : `${request.resource}.${request.group}`) {
        case "secrets":
        case "configmaps":
          return this.#readReferred(node, request);
        case "serviceaccounts":
          return this.#serviceAccount(node, request);
        case "leases.coordination.k8s.io":
          return lease(node, request);
        case "nodes":
          return ownNode(node, request);
        case "pods":
          return this.#pod(node, request);
      }
    }
    const allowed = NODE_RULES.some((rule) => ruleAllows(request, rule));
    return allowed ? ALLOWED : denied("");
  }

  #readReferred(node: string, request: AuthorizationAttributes): Decision {
    if (!["get", "list", "watch"].includes(request.verb)) {
      return denied("can only read resources of this type");
    }
    if (request.subresource !== "") return denied("cannot read subresource");
    if (request.namespace === "") {
      return denied("can only read namespaced object of this type");
    }
    if (request.name === "") return denied("No Object name found");
    const refers = request.resource === "secrets" ? secretsOf : configMapsOf;
    return this.#related(node, request.namespace, (pod) => refers(pod).includes(request.name));
  }

  #serviceAccount(node: string, request: AuthorizationAttributes): Decision {
    if (request.verb === "get" && request.subresource === "" && request.name !== "") {
      return this.#ownServiceAccount(node, request);
    }
    if (request.verb !== "create" || request.name === "") {
      return denied("can only create tokens for individual service accounts");
    }
    if (request.subresource !== "token") {
      return denied("can only create token subresource of serviceaccount");
    }
    return this.#ownServiceAccount(node, request);
  }

  #ownServiceAccount(node: string, request: AuthorizationAttributes): Decision {
    const isUsed = (pod: Pod) => (pod.spec?.serviceAccountName || "default") === request.name;
    return this.#related(node, request.namespace, isUsed);
  }

  #pod(node: string, request: AuthorizationAttributes): Decision {
    const own = () => this.#related(node, request.namespace, isNamed(request.name));
    switch (`${request.verb} ${request.subresource}`.trim()) {
      case "list":
      case "watch":
        if (request.name !== "") return own();
        return selectsNode(request.fieldSelector ?? "", node)
          ? ALLOWED
          : denied("can only list/watch pods with spec.nodeName field selector");
      case "create":
        // Mirror pods; admission looks at what is created
        return ALLOWED;
      case "get":
      case "delete":
      case "update status":
      case "patch status":
      case "create eviction":
        return own();
      default:
        return denied("");
    }
  }

  #related(node: string, namespace: string, test: (pod: Pod) => boolean): Decision {
    for (const entry of this.#projection.onNode(node)) {
      if (entry.namespace === namespace && test(entry.object as Pod)) return ALLOWED;
    }
    return denied(`no relationship found between node '${node}' and this object`);
  }
}

function lease(node: string, request: AuthorizationAttributes): Decision {
  if (!["get", "create", "update", "patch", "delete"].includes(request.verb)) {
    return denied("can only get, create, update, patch, or delete a node lease");
  }
  if (request.namespace !== LEASE_NAMESPACE) {
    return denied(`can only access leases in the "${LEASE_NAMESPACE}" system namespace`);
  }
  if (request.verb !== "create" && request.name !== node) {
    return denied("can only access node lease with the same name as the requesting node");
  }
  return ALLOWED;
}

function ownNode(node: string, request: AuthorizationAttributes): Decision {
  const isOwn = request.name === node;
  switch (`${request.verb} ${request.subresource}`.trim()) {
    case "create":
      return request.name === "" || isOwn ? ALLOWED : denied("");
    case "update":
    case "patch":
    case "update status":
    case "patch status":
      return isOwn
        ? ALLOWED
        : denied(`node '${node}' is not allowed to modify node '${request.name}'`);
    case "get":
    case "list":
    case "watch": {
      if (isOwn || isNamedBy(request.fieldSelector, node)) return ALLOWED;
      const what = request.name === "" ? "all nodes" : `'${request.name}'`;
      return denied(`node '${node}' cannot read ${what}, only its own Node object`);
    }
    default:
      return denied("");
  }
}

const isNamed = (name: string) => (pod: Pod) => pod.metadata.name === name;

function selectsNode(fieldSelector: string, node: string): boolean {
  return fieldSelector
    .split(",")
    .some((one) => /^spec\.nodeName==?/.test(one) && valueIs(one, node));
}

function isNamedBy(fieldSelector: string | undefined, name: string): boolean {
  if (fieldSelector === undefined) return false;
  return fieldSelector
    .split(",")
    .some((one) => /^metadata\.name==?/.test(one) && valueIs(one, name));
}

function valueIs(requirement: string, value: string): boolean {
  return requirement.slice(requirement.indexOf("=")).replace(/^==?/, "") === value;
}

/** Names of the Secrets that a pod refers to. */
export function secretsOf(pod: Pod): string[] {
  const names: (string | undefined)[] = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name);
  for (const volume of pod.spec?.volumes ?? []) {
    names.push(volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) names.push(source.secret?.name);
    names.push(...secretReferences(volume));
  }
  for (const container of containersOf(pod)) {
    for (const from of container.envFrom ?? []) names.push(from.secretRef?.name);
    for (const variable of container.env ?? []) names.push(variable.valueFrom?.secretKeyRef?.name);
  }
  return names.filter((name) => name !== undefined);
}

/** Names of the ConfigMaps that a pod refers to. */
export function configMapsOf(pod: Pod): string[] {
  const names: (string | undefined)[] = [];
  for (const volume of pod.spec?.volumes ?? []) {
    names.push(volume.configMap?.name);
    for (const source of volume.projected?.sources ?? []) names.push(source.configMap?.name);
  }
  for (const container of containersOf(pod)) {
    for (const from of container.envFrom ?? []) names.push(from.configMapRef?.name);
    for (const variable of container.env ?? []) {
      names.push(variable.valueFrom?.configMapKeyRef?.name);
    }
  }
  return names.filter((name) => name !== undefined);
}

function secretReferences(volume: Volume): (string | undefined)[] {
  return [volume.csi?.nodePublishSecretRef?.name, volume.iscsi?.secretRef?.name];
}

function containersOf(pod: Pod) {
  return [
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
  ];
}
