import type { Logger, Running } from "../../../shared/actor/dependencies.ts";
import type { Runtime } from "../../../shared/runtime/runtime.ts";
import type { ClusterSettings, Paths } from "../cluster.ts";

/** What a process is started with. */
export interface ProcessContext {
  readonly name: string;
  readonly paths: Paths;
  readonly settings: ClusterSettings;
  readonly logger: Logger;
  readonly runtime: Runtime;
  /** The descriptor of a port that others listen on as well. */
  readonly socket?: number;
}

export type Part = (context: ProcessContext) => Promise<Running>;
