import type { Bus } from "../../../shared/actor/bus.ts";
import { beatSubject, parseBeat } from "../../../shared/actor/membership.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";

/** Beats come several times a second. */
const SILENCE_MS_MAX = 5_000;
/** What goes up and down; everything else is counted since the replica started. */
const GAUGES = new Set(["revision", "queued", "inFlight"]);

interface Heard {
  readonly at: number;
  readonly group: string;
  readonly replica: string;
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * The figures that actors tell with their beats (shared/actor/membership.ts), as metrics: one place
 * to scrape for all of them. A figure `name/kind` is one of several of that name.
 */
export class ActorMetrics {
  readonly #clock: Runtime["clock"];
  readonly #heard = new Map<string, Heard>();

  constructor(bus: Bus, { clock }: Runtime) {
    this.#clock = clock;
    bus.subscribe(beatSubject("*"), ({ subject, data }) => {
      const beat = parseBeat(data);
      if (beat === undefined) return;
      const { replica, actors, state: figures = {} } = beat;
      const group = subject.split(".")[1] ?? "";
      const id = `${group} ${replica}`;
      if (actors.length === 0) this.#heard.delete(id);
      else this.#heard.set(id, { at: clock.monotonic(), group, replica, figures });
    });
  }

  /** In the Prometheus text format. */
  render(): string {
    const series = new Map<string, string[]>();
    for (const [id, { at, group, replica, figures }] of this.#heard) {
      if (this.#clock.monotonic() - at > SILENCE_MS_MAX) this.#heard.delete(id);
      else {
        for (const [figure, value] of Object.entries(figures)) {
          const [name = "", kind] = figure.split("/");
          const labels = [`group="${group}"`, `replica="${replica}"`];
          if (kind !== undefined) labels.push(`kind="${kind}"`);
          const lines = series.get(name) ?? [];
          series.set(name, lines);
          lines.push(`${metricName(name)}{${labels.join(",")}} ${value}`);
        }
      }
    }
    const lines = [...series].flatMap(([name, values]) => {
      const type = GAUGES.has(name) ? "gauge" : "counter";
      return [`# TYPE ${metricName(name)} ${type}`, ...values];
    });
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }
}

function metricName(figure: string): string {
  const name = figure.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return `coxswain_actor_${name}${GAUGES.has(figure) ? "" : "_total"}`;
}
