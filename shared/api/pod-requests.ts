import type { Container, Pod, ResourceRequirements } from "./generated/types.ts";
import { parseQuantity } from "./quantity.ts";

/**
 * Amounts by resource name, whole numbers as upstream's scheduler counts: cpu in thousandths of a
 * core, everything else in its own unit (bytes, pieces), fractions rounded up. Exact up to 2^53.
 */
export type Amounts = ReadonlyMap<string, number>;

type Quantities = Readonly<Record<string, string | number>>;

const CPU = "cpu";
const NANOS_PER_THOUSANDTH = 1_000_000n;
const NANOS_PER_ONE = 1_000_000_000n;

/** Quantities as amounts. */
export function amountsOf(list: Quantities | undefined): Amounts {
  const amounts = new Map<string, number>();
  for (const name in list) amounts.set(name, amountOf(name, list[name] as string | number));
  return amounts;
}

/**
 * What a pod reserves on its node: its containers and sidecars, or what an init container takes on
 * top of the sidecars started before it, whichever is more; what it states for itself as a whole
 * instead, where it does; and its overhead.
 */
export function podRequests({ spec }: Pick<Pod, "spec">): Amounts {
  const total = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec?.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === "Always") {
      add(total, requests);
      raise(peak, total);
    } else {
      const during = new Map(total);
      add(during, requests);
      raise(peak, during);
    }
  }
  for (const container of spec?.containers ?? []) add(total, requestsOf(container));
  raise(total, peak);
  for (const [name, amount] of requestsOf(spec ?? {})) total.set(name, amount);
  add(total, amountsOf(spec?.overhead as Quantities | undefined));
  return total;
}

function requestsOf({ resources }: Pick<Container, "resources">): Amounts {
  return amountsOf((resources as ResourceRequirements | undefined)?.requests as Quantities);
}

/** Pods are alike: the same few texts come again and again. */
const known = {
  cpu: new Map<string | number, number>(),
  other: new Map<string | number, number>(),
};
const KNOWN_MAX = 10_000;

function amountOf(name: string, quantity: string | number): number {
  const memory = name === CPU ? known.cpu : known.other;
  const found = memory.get(quantity);
  if (found !== undefined) return found;
  const { nanos } = parseQuantity(quantity);
  const unit = name === CPU ? NANOS_PER_THOUSANDTH : NANOS_PER_ONE;
  const amount = Number((nanos + unit - 1n) / unit);
  if (memory.size >= KNOWN_MAX) memory.clear();
  memory.set(quantity, amount);
  return amount;
}

function add(total: Map<string, number>, more: Amounts): void {
  for (const [name, amount] of more) total.set(name, (total.get(name) ?? 0) + amount);
}

function raise(total: Map<string, number>, least: Amounts): void {
  for (const [name, amount] of least) {
    if (amount > (total.get(name) ?? 0)) total.set(name, amount);
  }
}
