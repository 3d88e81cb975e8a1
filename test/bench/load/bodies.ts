/** The objects that are written. */

export interface Kind {
  /** As titles say it. */
  readonly name: string;
  readonly resource: string;
  /** Objects by default, and with --quick. */
  readonly count: number;
  readonly quickCount: number;
  body(name: string, labels: Record<string, string>): object;
}

const PADDING = "0123456789abcdef".repeat(46);

export function configMap(name: string, labels: Record<string, string>): object {
  const metadata = { name, labels: { app: "bench", ...labels } };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data: { value: PADDING } };
}

const CONTAINERS = ["main", "proxy", "logs"];
const VARIABLES = 28;

/** A Pod of 10 KB that is never scheduled: nobody serves its scheduler's name. */
export function largePod(name: string, labels: Record<string, string>): object {
  const annotations = Object.fromEntries(
    ["config", "inject", "status"].map((each) => [`bench.example.com/${each}`, PADDING]),
  );
  const metadata = { name, labels: { app: "bench", ...labels }, annotations };
  const volumes = ["data", "cache", "run"].map((each) => ({ name: each, emptyDir: {} }));
  const probe = { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 10 };
  const containers = CONTAINERS.map((container) => ({
    name: container,
    image: `registry.example.com/bench/${container}:1.0.0`,
    command: ["/bin/serve", "--config", "/etc/bench/config.yaml"],
    env: Array.from({ length: VARIABLES }, (_, index) => ({
      name: `${container.toUpperCase()}_SETTING_${index}`,
      value: `value-of-the-setting-number-${index}`,
    })),
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
    volumeMounts: volumes.map((volume) => ({ name: volume.name, mountPath: `/${volume.name}` })),
    livenessProbe: probe,
    readinessProbe: probe,
  }));
  const spec = { schedulerName: "nobody", containers, volumes };
  return { apiVersion: "v1", kind: "Pod", metadata, spec };
}

export const CONFIG_MAPS: Kind = {
  name: "ConfigMap of 1 KB",
  resource: "configmaps",
  count: 5_000,
  quickCount: 1_000,
  body: configMap,
};

export const LARGE_PODS: Kind = {
  name: "Pod of 10 KB",
  resource: "pods",
  count: 5_000,
  quickCount: 500,
  body: largePod,
};
