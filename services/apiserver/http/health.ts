import { type Answer, textAnswer } from "./respond.ts";

/** One thing that has to be well. */
export interface HealthCheck {
  readonly name: string;
  /** False: only readiness depends on it, e.g. a cache that is still being filled. */
  readonly live: boolean;
  /** Undefined when it is well, else why not. Must answer at once. */
  readonly check: () => string | undefined;
}

const ENDPOINTS = ["healthz", "livez", "readyz"];

/** Whether the path is `/livez`, `/readyz`, `/healthz` or one check of theirs. */
export function isHealthPath(path: string): boolean {
  return ENDPOINTS.includes(path.split("/")[1] ?? "");
}

/** Answers a health path as Kubernetes does; undefined: there is no such check. */
export function healthAnswer(
  checks: readonly HealthCheck[],
  path: string,
  query: URLSearchParams,
): Answer | undefined {
  const [, endpoint = "", ...rest] = path.replace(/\/+$/, "").split("/");
  const relevant = checks.filter(({ live }) => live || endpoint === "readyz");
  if (rest.length > 0) {
    const check = relevant.find(({ name }) => name === rest.join("/"));
    if (check === undefined) return undefined;
    const problem = check.check();
    if (problem === undefined) return textAnswer("ok");
    return textAnswer(`internal server error: ${problem}\n`, 500);
  }
  return summary(endpoint, relevant, query);
}

function summary(endpoint: string, checks: readonly HealthCheck[], query: URLSearchParams): Answer {
  const excluded = new Set(query.getAll("exclude"));
  const lines: string[] = [];
  let failed = false;
  for (const { name, check } of checks) {
    if (excluded.delete(name)) {
      lines.push(`[+]${name} excluded: ok`);
      continue;
    }
    const problem = check();
    failed ||= problem !== undefined;
    lines.push(problem === undefined ? `[+]${name} ok` : `[-]${name} failed: reason withheld`);
  }
  if (excluded.size > 0) {
    const names = [...excluded].map((name) => JSON.stringify(name)).join(", ");
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  if (failed) return textAnswer(`${lines.join("\n")}\n${endpoint} check failed\n`, 500);
  if (!query.has("verbose")) return textAnswer("ok");
  return textAnswer(`${lines.join("\n")}\n${endpoint} check passed\n`);
}
