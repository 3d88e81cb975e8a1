import {
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { dataFile } from "../data-files.ts";
import { RuntimeError } from "../runtimes/runtime.ts";

/** Answers can hold the state of every container of a full node. */
const MESSAGE_MOST_BYTES = 16 * 1024 * 1024;

type Method = (
  request: object,
  options: { deadline: number },
  callback: (error: ServiceError | null, answer: unknown) => void,
) => void;

/**
 * A connection to a container runtime's socket. It connects by itself, again and again: while the
 * runtime is away, calls fail with `unavailable`, and the next call after its return succeeds.
 */
export class CriClient {
  readonly #runtime: Client;
  readonly #image: Client;
  readonly #now: () => number;

  /** `socket` is an absolute path or `unix:///path`; `now` is the wall clock. */
  constructor(socket: string, now: () => number) {
    const endpoint = socket.startsWith("/") ? `unix://${socket}` : socket;
    const options = { longs: String, enums: String, defaults: true, arrays: true, objects: true };
    const definition = loadSync(dataFile("cri/runtime.proto"), options);
    const loaded = loadPackageDefinition(definition) as unknown as Loaded;
    const channel = {
      "grpc.max_receive_message_length": MESSAGE_MOST_BYTES,
      "grpc.max_send_message_length": MESSAGE_MOST_BYTES,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.min_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 500,
      "grpc.use_local_subchannel_pool": 1,
    };
    const { RuntimeService, ImageService } = loaded.runtime.v1;
    this.#runtime = new RuntimeService(endpoint, credentials.createInsecure(), channel);
    this.#image = new ImageService(endpoint, credentials.createInsecure(), channel);
    this.#now = now;
  }

  /** @throws RuntimeError. */
  runtime<Answer>(method: string, request: object, timeoutMs: number): Promise<Answer> {
    return this.#call(this.#runtime, method, request, timeoutMs);
  }

  /** @throws RuntimeError. */
  image<Answer>(method: string, request: object, timeoutMs: number): Promise<Answer> {
    return this.#call(this.#image, method, request, timeoutMs);
  }

  /** A stream of answers, until the runtime or `cancel` ends it. */
  stream(method: string): ClientReadableStream<unknown> {
    const methods = this.#runtime as unknown as Record<
      string,
      (request: object) => ClientReadableStream<unknown>
    >;
    return (methods[method] as (request: object) => ClientReadableStream<unknown>).call(
      this.#runtime,
      {},
    );
  }

  close(): void {
    this.#runtime.close();
    this.#image.close();
  }

  #call<Answer>(
    client: Client,
    method: string,
    request: object,
    timeoutMs: number,
  ): Promise<Answer> {
    const call = (client as unknown as Record<string, Method>)[method] as Method;
    return new Promise((resolve, reject) => {
      call.call(client, request, { deadline: this.#now() + timeoutMs }, (error, answer) => {
        if (error) reject(runtimeError(error));
        else resolve(answer as Answer);
      });
    });
  }
}

type ClientConstructor = new (endpoint: string, credentials_: object, options: object) => Client;

interface Loaded {
  readonly runtime: {
    readonly v1: {
      readonly RuntimeService: ClientConstructor;
      readonly ImageService: ClientConstructor;
    };
  };
}

function runtimeError(error: ServiceError): RuntimeError {
  const message = error.details || error.message;
  switch (error.code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
      return new RuntimeError("unavailable", message);
    case status.NOT_FOUND:
      return new RuntimeError("notFound", message);
    case status.DEADLINE_EXCEEDED:
      return new RuntimeError("timeout", message);
    default:
      // Upstream shows errors of the runtime in this form; users search for it.
      return new RuntimeError(
        "failed",
        `rpc error: code = ${codeName(error.code)} desc = ${message}`,
      );
  }
}

function codeName(code: status): string {
  const names: Readonly<Record<number, string>> = {
    [status.UNKNOWN]: "Unknown",
    [status.INVALID_ARGUMENT]: "InvalidArgument",
    [status.ALREADY_EXISTS]: "AlreadyExists",
    [status.PERMISSION_DENIED]: "PermissionDenied",
    [status.RESOURCE_EXHAUSTED]: "ResourceExhausted",
    [status.FAILED_PRECONDITION]: "FailedPrecondition",
    [status.UNIMPLEMENTED]: "Unimplemented",
    [status.INTERNAL]: "Internal",
  };
  return names[code] ?? "Unknown";
}
