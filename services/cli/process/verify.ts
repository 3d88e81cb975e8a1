/** The process that watches the invariants. */
import { openHistory } from "../../../nats/history.ts";
import { createClient } from "../../../shared/actor/client.ts";
import { joinMembership } from "../../../shared/actor/membership.ts";
import { type RunningVerify, startVerify, VERIFY } from "../../verify/start.ts";
import { VERIFY_IDENTITY } from "../identities.ts";
import { dependenciesOf } from "./bus.ts";
import type { ProcessContext, RunningPart } from "./context.ts";

export async function runVerify(context: ProcessContext): Promise<RunningPart> {
  const { bus, connection } = await context.connecting;
  const dependencies = dependenciesOf(context, bus);
  const late: { running?: RunningVerify } = {};
  const membership = joinMembership(dependencies, VERIFY, () => late.running?.figures() ?? {});
  const running = startVerify({
    dependencies,
    client: createClient({ ...dependencies, identity: VERIFY_IDENTITY }),
    history: await openHistory(connection, context.runtime),
    membership,
  });
  late.running = running;
  return { stop: () => running.stop(), state: () => [running.state()] };
}
