import type { Controller } from "../../shared/actor/controller.ts";
import { deployment } from "./deployment.ts";
import { endpoints } from "./endpoints.ts";
import { endpointslice } from "./endpointslice.ts";
import { eventExpiry, leaseExpiry } from "./expiry.ts";
import { garbageCollector } from "./garbage-collector.ts";
import { namespace } from "./namespace.ts";
import { nodeLifecycle } from "./node-lifecycle.ts";
import { podGarbageCollector } from "./pod-garbage-collector.ts";
import { replicaset } from "./replicaset.ts";
import { rootCertificateAuthority } from "./root-ca.ts";
import { serviceaccount } from "./serviceaccount.ts";
import { taintEviction } from "./taint-eviction.ts";

/**
 * All controllers, in the order of `cox actors`.
 * @param settings.rootCertificate the cluster's CA certificate, PEM.
 */
export function controllers(settings: { rootCertificate: string }): readonly Controller[] {
  return [
    namespace,
    serviceaccount,
    rootCertificateAuthority(settings.rootCertificate),
    deployment,
    replicaset,
    garbageCollector,
    endpointslice,
    endpoints,
    nodeLifecycle,
    taintEviction,
    podGarbageCollector,
    eventExpiry,
    leaseExpiry,
  ];
}
