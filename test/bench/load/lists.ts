/** Lists: whole, by label, in pages, several at once. */
import type { Client } from "./client.ts";
import { quantile } from "./report.ts";
import { meter, type Side } from "./side.ts";

/** Objects carry the label `group` with one of so many values. */
export const GROUPS = 50;
const PAGE = 500;
const AT_ONCE = 8;

/** kube-apiserver's, of 5,000 ConfigMaps of 1 KB. */
const REFERENCE_COUNT = 5_000;
const BUDGET = 10;

interface Listed {
  readonly path: string;
  readonly count: number;
  /** The kind, as titles say it. */
  readonly of: string;
}

/** Each answers how many bytes came. */
type Read = () => Promise<number>;

export async function measureLists(side: Side, { path, count, of }: Listed): Promise<void> {
  const { client, limits } = side;
  const whole: Read = async () => (await client.ok("GET", path)).size;
  const reads: [what: string, read: Read, reference?: number][] = [
    ["consistent", whole, 81],
    [
      "resourceVersion=0",
      async () => (await client.ok("GET", `${path}?resourceVersion=0`)).size,
      37,
    ],
    [
      `by label, 1 of ${GROUPS}`,
      async () => (await client.ok("GET", `${path}?labelSelector=group%3Dg-7`)).size,
    ],
    [`in pages of ${PAGE}`, () => inPages(client, path, count)],
    [
      `${AT_ONCE} at once`,
      async () => (await Promise.all(Array.from({ length: AT_ONCE }, whole)))[0] as number,
    ],
  ];
  for (const [what, read, reference] of reads) {
    const times: number[] = [];
    let bytes = 0;
    const used = meter(side);
    const started = performance.now();
    while (performance.now() - started < limits.durationMs / 2) {
      const begun = performance.now();
      bytes = await read();
      times.push(performance.now() - begun);
    }
    const known = reference !== undefined && of.startsWith("ConfigMap");
    const title = `list ${count} × ${of}, ${what}`;
    side.add({
      what: title,
      value: quantile(times, 0.5),
      unit: "ms",
      ...(known && { reference: (reference * count) / REFERENCE_COUNT, budget: BUDGET }),
      note: `${(bytes / 1e6).toFixed(1)} MB`,
    });
    used(title, times.length);
  }
}

/** @throws Error when the pages are not those of the whole list */
async function inPages(client: Client, path: string, count: number): Promise<number> {
  let bytes = 0;
  let pages = 0;
  let from = "";
  do {
    const answer = await client.ok("GET", `${path}?limit=${PAGE}${from}`);
    bytes += answer.size;
    pages++;
    // The list's metadata stand before its items.
    const head = answer.parts[0]?.toString("latin1", 0, 1_000) ?? "";
    const token = /"continue":"([^"]+)"/.exec(head)?.[1];
    from = token === undefined ? "" : `&continue=${encodeURIComponent(token)}`;
  } while (from !== "");
  // Others have objects in the namespace too: the root certificate.
  const [fewest, most] = [Math.ceil(count / PAGE), Math.ceil((count + 1) / PAGE)];
  if (pages < fewest || pages > most) throw new Error(`${path}: ${pages} pages of ${PAGE}`);
  return bytes;
}
