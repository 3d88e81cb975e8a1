import type {
  ConfigMap,
  Lease,
  Namespace,
  Secret,
  ServiceAccount,
} from "../../../shared/api/generated/types.ts";
import { AGE, age, column, NAME, type Printer } from "./column.ts";

export const configMaps: Printer<ConfigMap> = {
  columns: [NAME, column("Data", "integer", "Number of entries."), AGE],
  cells: (configMap, now) => [
    configMap.metadata.name,
    sizeOf(configMap.data) + sizeOf(configMap.binaryData),
    age(configMap, now),
  ],
};

export const secrets: Printer<Secret> = {
  columns: [
    NAME,
    column("Type", "string", "What the secret is for."),
    column("Data", "integer", "Number of entries."),
    AGE,
  ],
  cells: (secret, now) => [
    secret.metadata.name,
    secret.type ?? "",
    sizeOf(secret.data),
    age(secret, now),
  ],
};

function sizeOf(entries: Readonly<Record<string, unknown>> | undefined): number {
  return Object.keys(entries ?? {}).length;
}

export const serviceAccounts: Printer<ServiceAccount> = {
  columns: [NAME, column("Secrets", "integer", "Number of secrets its pods may use."), AGE],
  cells: (account, now) => [account.metadata.name, account.secrets?.length ?? 0, age(account, now)],
};

export const namespaces: Printer<Namespace> = {
  columns: [NAME, column("Status", "string", "Whether it is in use or on its way out."), AGE],
  cells: (namespace, now) => [
    namespace.metadata.name,
    namespace.status?.phase ?? "",
    age(namespace, now),
  ],
};

export const leases: Printer<Lease> = {
  columns: [NAME, column("Holder", "string", "Who holds the lease."), AGE],
  cells: (lease, now) => [lease.metadata.name, lease.spec?.holderIdentity ?? "", age(lease, now)],
};
