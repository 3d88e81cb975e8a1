/** Pods of a namespace as one watch shows them, and the moments at which they got on. */
import type { Client } from "./client.ts";
import { type Following, follow } from "./follow.ts";
import { until } from "./lanes.ts";

export interface Pod {
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

const WAIT_MS = 300_000;

export class PodObserver {
  /** When each pod was first seen bound and Ready. */
  readonly bound = new Map<string, number>();
  readonly ready = new Map<string, number>();
  readonly present = new Map<string, Pod>();
  /** Versions of pods. */
  versions = 0;
  #failure: string | undefined;
  #following: Following | undefined;

  /** Sees what is there as if it came now. */
  static async open(client: Client, namespace: string): Promise<PodObserver> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const observer = new PodObserver();
    observer.#following = await follow(
      client,
      { path },
      (line) => observer.#see(line),
      ({ message }) => {
        observer.#failure = `watch of pods: ${message}`;
      },
    );
    return observer;
  }

  close(): void {
    this.#following?.stop();
  }

  /** False when it was not reached in five minutes. @throws Error when the watch has failed */
  async until(reached: () => boolean): Promise<boolean> {
    const done = await until(() => this.#failure !== undefined || reached(), WAIT_MS);
    if (this.#failure !== undefined) throw new Error(this.#failure);
    return done;
  }

  #see(line: Buffer): void {
    const { type, object } = JSON.parse(line.toString()) as { type: string; object: Pod };
    const { name } = object.metadata;
    this.versions++;
    if (type === "DELETED") {
      this.present.delete(name);
      return;
    }
    this.present.set(name, object);
    if (object.spec.nodeName && !this.bound.has(name)) this.bound.set(name, performance.now());
    if (isReady(object) && !this.ready.has(name)) this.ready.set(name, performance.now());
  }
}

export function isReady({ status }: Pod): boolean {
  return (
    status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false
  );
}

/** A container that asks for little, so that a node is full by its number of pods. */
export function container(image: string): object {
  const requests = { cpu: "10m", memory: "16Mi" };
  return { name: "main", image, resources: { requests } };
}
