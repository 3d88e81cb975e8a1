import type {
  Engine,
  EnginePlanResult,
  ResourceRequest,
  ResourceResponse,
  WatchSink,
} from "../../services/apiserver/request.ts";
import { badRequest, notFound, statusOf } from "../../shared/api/errors.ts";
import { groupResourceOf } from "../../shared/api/kinds.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";

/** As much of an engine as the transport's tests need: objects in a map, a watch, large answers. */
export class SmallEngine implements Engine {
  readonly objects = new Map<string, KubernetesObject>();
  readonly requests: ResourceRequest[] = [];
  readonly watchers = new Set<WatchSink>();
  /** Added to every list, to make it large. */
  padding = "";
  /** A request waits for it, when it is set. */
  gate: Promise<void> | undefined;

  add(resource: string, object: KubernetesObject): void {
    const { namespace = "", name } = object.metadata;
    this.objects.set(`${resource}/${namespace}/${name}`, object);
  }

  async handle(request: ResourceRequest): Promise<ResourceResponse> {
    this.requests.push(request);
    await this.gate;
    try {
      return this.#answer(request);
    } catch (error) {
      const status = statusOf(error);
      return body(status.code, status);
    }
  }

  plan(): Promise<EnginePlanResult> {
    throw new Error("no plans here");
  }

  #answer(request: ResourceRequest): ResourceResponse {
    const resource = groupResourceOf(request.table);
    const prefix = `${resource}/${request.namespace}/`;
    switch (request.verb) {
      case "get": {
        const object = this.objects.get(prefix + request.name);
        if (object === undefined) throw notFound(request.table, request.name);
        return body(200, object);
      }
      case "list": {
        const items = [...this.objects].filter(([key]) => key.startsWith(prefix));
        return body(200, {
          kind: request.table.listKind,
          apiVersion: "v1",
          metadata: { resourceVersion: "1" },
          items: items.map(([, object]) => object),
          ...(this.padding === "" ? {} : { padding: this.padding }),
        });
      }
      case "create": {
        let object: KubernetesObject;
        try {
          object = JSON.parse(request.body.toString("utf8"));
        } catch {
          throw badRequest("the object provided is unrecognized");
        }
        this.objects.set(prefix + object.metadata.name, object);
        return { ...body(201, object), warnings: ['unknown field "spec.x"'] };
      }
      case "watch":
        return {
          type: "watch",
          contentType: "application/json;stream=watch",
          start: (sink) => {
            this.watchers.add(sink);
            return { stop: () => void this.watchers.delete(sink) };
          },
        };
      default:
        return body(200, { verb: request.verb });
    }
  }
}

function body(code: number, value: object) {
  return {
    type: "body" as const,
    code,
    contentType: "application/json",
    body: [Buffer.from(JSON.stringify(value))],
  };
}
