/** `cox setup`: everything that `cox up` would install or fetch, without starting anything. */
import { obtainServer } from "../../nats/server.ts";
import { cacheFolder } from "./folders.ts";
import { obtainKubectl } from "./kubectl.ts";
import type { Progress } from "./progress.ts";
import { chooseRuntime } from "./runtime-choice.ts";

export async function setup(progress: Progress): Promise<void> {
  await progress.step("nats-server", (detail) => obtainServer(cacheFolder(), detail));
  await progress.step("kubectl", (detail) => obtainKubectl(detail));
  await chooseRuntime("auto", progress);
}
