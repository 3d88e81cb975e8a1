import type { Runtime } from "../../shared/runtime/runtime.ts";
import type { ClusterApi } from "./api.ts";

const RETRY_MS = 100;
const INSIST_MS = 30_000;

/**
 * Asks again until it is done; what is there already, or gone, is.
 * @returns the body of the answer
 * @throws Error with the last answer when it takes too long
 */
export async function insist(
  { clock, timers }: Runtime,
  api: ClusterApi,
  method: string,
  path: string,
  body?: object,
): Promise<string> {
  const deadline = clock.monotonic() + INSIST_MS;
  let last = "";
  while (clock.monotonic() < deadline) {
    try {
      const answer = await api.ask(method, path, body);
      if (answer.code < 300) return answer.body;
      if (method === "POST" && answer.code === 409) return answer.body;
      if (method === "DELETE" && answer.code === 404) return answer.body;
      last = `${answer.code} ${answer.body}`;
    } catch (error) {
      last = (error as Error).message;
    }
    await timers.sleep(RETRY_MS);
  }
  throw new Error(`${method} ${path} did not succeed in ${INSIST_MS} ms: ${last}`);
}
