import { type FieldError, fieldErrorMessage } from "../field-error.ts";
import type { KubernetesObject } from "../object.ts";
import type { KindTable } from "../schema.ts";
import {
  validateDeployment,
  validateDeploymentStatus,
  validateDeploymentUpdate,
  validateReplicaSet,
  validateReplicaSetStatus,
  validateReplicaSetUpdate,
  validateScale,
} from "./apps.ts";
import {
  validateConfigMap,
  validateConfigMapUpdate,
  validateNamespace,
  validateNamespaceFinalize,
  validateNamespaceStatus,
  validateSecret,
  validateSecretUpdate,
} from "./config.ts";
import {
  validateEndpointSlice,
  validateEndpointSliceUpdate,
  validateEndpoints,
} from "./endpoints.ts";
import { validateCoreEvent, validateEvent, validateEventUpdate } from "./events.ts";
import { Findings } from "./findings.ts";
import { validateLease } from "./leases.ts";
import {
  LABEL_1035_NAME,
  LABEL_NAME,
  type NameRule,
  PATH_SEGMENT_NAME,
  SUBDOMAIN_NAME,
  validateMetadata,
  validateMetadataUpdate,
} from "./metadata.ts";
import { validateNode, validateNodeUpdate } from "./nodes.ts";
import {
  validateBinding,
  validateEphemeralUpdate,
  validatePodCreate,
  validatePodStatusUpdate,
  validatePodUpdate,
} from "./pod.ts";
import {
  validateBindingUpdate,
  validateClusterRole,
  validateClusterRoleBinding,
  validateRole,
  validateRoleBinding,
} from "./rbac.ts";
import {
  validateLocalSubjectAccessReview,
  validateSelfSubjectAccessReview,
  validateSubjectAccessReview,
} from "./reviews.ts";
import { validateService, validateServiceStatus, validateServiceUpdate } from "./services.ts";

export * from "./options.ts";

type Create = (found: Findings, object: KubernetesObject) => void;
type Update = (found: Findings, object: KubernetesObject, old: KubernetesObject) => void;

/** How one kind is validated, beyond its metadata. */
interface Rules {
  /** Default: DNS subdomain. */
  readonly name?: NameRule;
  readonly create?: Create;
  /** Default: as create. */
  readonly update?: Update;
  /** By subresource; those that are not here only have their metadata checked. */
  readonly subresources?: Readonly<Record<string, Update>>;
  /** Reviews and the bodies of subresources say nothing of importance there. */
  readonly metadata?: false;
}

const RBAC = "rbac.authorization.k8s.io";
const AUTHORIZATION = "authorization.k8s.io";

/** By `Kind.group`. */
const RULES: Readonly<Record<string, Rules>> = {
  Pod: {
    create: validatePodCreate,
    update: validatePodUpdate,
    subresources: {
      status: validatePodStatusUpdate,
      ephemeralcontainers: validateEphemeralUpdate,
    },
  },
  Service: {
    name: LABEL_1035_NAME,
    create: validateService,
    update: validateServiceUpdate,
    subresources: { status: validateServiceStatus },
  },
  ConfigMap: { create: validateConfigMap, update: validateConfigMapUpdate },
  Secret: { create: validateSecret, update: validateSecretUpdate },
  Namespace: {
    name: LABEL_NAME,
    create: validateNamespace,
    update: () => {},
    subresources: { status: validateNamespaceStatus, finalize: validateNamespaceFinalize },
  },
  Node: {
    create: validateNode,
    update: validateNodeUpdate,
    subresources: { status: validateNodeUpdate },
  },
  Endpoints: { create: validateEndpoints },
  Event: { name: PATH_SEGMENT_NAME, create: validateCoreEvent },
  "Event.events.k8s.io": { create: validateEvent, update: validateEventUpdate },
  "Lease.coordination.k8s.io": { create: validateLease },
  "EndpointSlice.discovery.k8s.io": {
    create: validateEndpointSlice,
    update: validateEndpointSliceUpdate,
  },
  "Deployment.apps": {
    create: validateDeployment,
    update: validateDeploymentUpdate,
    subresources: { status: validateDeploymentStatus },
  },
  "ReplicaSet.apps": {
    create: validateReplicaSet,
    update: validateReplicaSetUpdate,
    subresources: { status: validateReplicaSetStatus },
  },
  [`Role.${RBAC}`]: { name: PATH_SEGMENT_NAME, create: validateRole },
  [`ClusterRole.${RBAC}`]: { name: PATH_SEGMENT_NAME, create: validateClusterRole },
  [`RoleBinding.${RBAC}`]: {
    name: PATH_SEGMENT_NAME,
    create: validateRoleBinding,
    update: validateBindingUpdate,
  },
  [`ClusterRoleBinding.${RBAC}`]: {
    name: PATH_SEGMENT_NAME,
    create: validateClusterRoleBinding,
    update: validateBindingUpdate,
  },
  "Scale.autoscaling": { create: validateScale },
  Binding: { create: validateBinding, metadata: false },
  [`SelfSubjectAccessReview.${AUTHORIZATION}`]: {
    create: validateSelfSubjectAccessReview,
    metadata: false,
  },
  [`SubjectAccessReview.${AUTHORIZATION}`]: {
    create: validateSubjectAccessReview,
    metadata: false,
  },
  [`LocalSubjectAccessReview.${AUTHORIZATION}`]: {
    create: validateLocalSubjectAccessReview,
    metadata: false,
  },
  [`SelfSubjectRulesReview.${AUTHORIZATION}`]: { metadata: false },
  "SelfSubjectReview.authentication.k8s.io": { metadata: false },
  "TokenReview.authentication.k8s.io": { metadata: false },
  "TokenRequest.authentication.k8s.io": { metadata: false },
  "Eviction.policy": { metadata: false },
};

/** What is validated by: a KindTable, or a subresource's kind. */
export type ValidationTarget = Pick<KindTable, "group" | "kind"> & {
  readonly namespaced?: boolean;
};

function rulesOf({ group, kind }: ValidationTarget): Rules {
  return RULES[group ? `${kind}.${group}` : kind] ?? {};
}

/**
 * Validates a new object. It has been decoded and defaulted; its name has been generated, its
 * namespace is set.
 */
export function validateCreate(table: ValidationTarget, object: KubernetesObject): FieldError[] {
  const found = new Findings();
  const { name = SUBDOMAIN_NAME, create, metadata } = rulesOf(table);
  if (metadata !== false) {
    validateMetadata(found, object.metadata, table.namespaced ?? true, name);
  }
  create?.(found, object);
  return found.list;
}

/**
 * Validates an updated object, whole, against the one before. `subresource` is "" for the object
 * itself; with a subresource the object holds the old values of everything outside of it. The
 * metadata carries the resourceVersion that the update was decided on.
 */
export function validateUpdate(
  table: ValidationTarget,
  object: KubernetesObject,
  old: KubernetesObject,
  subresource: string,
): FieldError[] {
  const found = new Findings();
  const { name = SUBDOMAIN_NAME, create, update = create, metadata, subresources } = rulesOf(table);
  if (metadata !== false) {
    validateMetadata(found, object.metadata, table.namespaced ?? true, name);
    validateMetadataUpdate(found, object.metadata, old.metadata);
  }
  if (subresource === "") update?.(found, object, old);
  else subresources?.[subresource]?.(found, object, old);
  return withoutRepeated(found.list);
}

function withoutRepeated(errors: readonly FieldError[]): FieldError[] {
  if (errors.length < 2) return [...errors];
  const seen = new Set<string>();
  return errors.filter((error) => {
    const message = fieldErrorMessage(error);
    if (seen.has(message)) return false;
    seen.add(message);
    return true;
  });
}
