/** What a request is counted under, as upstream's labels. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: "" | "resource" | "namespace" | "cluster";
  readonly dryRun: string;
}

interface Series {
  readonly labels: RequestLabels;
  readonly codes: Map<number, number>;
  readonly buckets: number[];
  count: number;
  seconds: number;
}

const BUCKETS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60,
];

/**
 * Counts requests under upstream's metric names. A request costs one look-up; everything else
 * happens when somebody asks for `/metrics`.
 */
export class RequestMetrics {
  readonly #series = new Map<RequestLabels, Series>();
  /** Requests being worked on, without watches and streams. */
  readonly inflight = { mutating: 0, readOnly: 0 };
  /** Watches and streams that are open. */
  readonly longRunning = new Map<string, number>();

  /**
   * A request was answered. Long-running ones are not part of the durations. Requests of one series
   * have the same object as their labels.
   */
  observe(labels: RequestLabels, code: number, seconds: number, longRunning: boolean): void {
    let series = this.#series.get(labels);
    if (series === undefined) {
      const buckets = Array<number>(BUCKETS.length).fill(0);
      series = { labels, codes: new Map(), buckets, count: 0, seconds: 0 };
      this.#series.set(labels, series);
    }
    series.codes.set(code, (series.codes.get(code) ?? 0) + 1);
    if (longRunning) return;
    series.count++;
    series.seconds += seconds;
    const bucket = BUCKETS.findIndex((limit) => seconds <= limit);
    if (bucket >= 0) series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
  }

  longRunningChanged(verb: string, change: 1 | -1): void {
    this.longRunning.set(verb, (this.longRunning.get(verb) ?? 0) + change);
  }

  /** In the Prometheus text format. */
  render(): string {
    const lines: string[] = [];
    const head = (name: string, type: string, help: string) =>
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    head("apiserver_request_total", "counter", "Requests by verb, resource, scope and code.");
    for (const { labels, codes } of this.#series.values()) {
      for (const [code, count] of codes) {
        const text = `code="${code}",component="apiserver",${labelText(labels)}`;
        lines.push(`apiserver_request_total{${text}} ${count}`);
      }
    }
    const duration = "apiserver_request_duration_seconds";
    head(duration, "histogram", "Time to answer a request, seconds; watches are not in it.");
    for (const series of this.#series.values()) lines.push(...histogram(duration, series));
    head("apiserver_current_inflight_requests", "gauge", "Requests being worked on.");
    const { mutating, readOnly } = this.inflight;
    lines.push(
      `apiserver_current_inflight_requests{request_kind="mutating"} ${mutating}`,
      `apiserver_current_inflight_requests{request_kind="readOnly"} ${readOnly}`,
    );
    head("apiserver_longrunning_requests", "gauge", "Watches and streams that are open.");
    for (const [verb, count] of this.longRunning) {
      lines.push(`apiserver_longrunning_requests{component="apiserver",verb="${verb}"} ${count}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

function histogram(name: string, { labels, buckets, count, seconds }: Series): string[] {
  if (count === 0) return [];
  const text = `component="apiserver",${labelText(labels)}`;
  let sum = 0;
  const lines = BUCKETS.map((limit, index) => {
    sum += buckets[index] ?? 0;
    return `${name}_bucket{${text},le="${limit}"} ${sum}`;
  });
  return [
    ...lines,
    `${name}_bucket{${text},le="+Inf"} ${count}`,
    `${name}_sum{${text}} ${seconds}`,
    `${name}_count{${text}} ${count}`,
  ];
}

function labelText(labels: RequestLabels): string {
  const { verb, group, version, resource, subresource, scope, dryRun } = labels;
  const pairs = { dry_run: dryRun, group, resource, scope, subresource, verb, version };
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, "_")}"`)
    .join(",");
}

/** Metrics that the process and other parts of it registered with prom-client. */
export async function processMetrics(): Promise<string> {
  const { collectDefaultMetrics, register } = (await import("prom-client")).default;
  if (!collecting) {
    collecting = true;
    collectDefaultMetrics();
  }
  return register.metrics();
}

let collecting = false;
