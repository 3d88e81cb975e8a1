import type { History } from "../../../../shared/log/history.ts";
import { UsageError } from "../../usage-error.ts";
import { parseMoment, revisionOf, withinHistory } from "../moment.ts";
import type { Output } from "../output.ts";
import { parseSelector } from "../selector.ts";
import { paintFor } from "../text.ts";
import { answerDot, answerText } from "./print.ts";
import { answerWhy } from "./why.ts";

export interface WhyFlags {
  readonly namespace?: string;
  readonly at?: string;
  readonly deleted?: boolean;
  readonly output?: "text" | "json" | "dot";
}

/** Answers why an object is as it is, is gone, or does not get on. */
export async function showWhy(
  history: History,
  object: string,
  flags: WhyFlags,
  output: Output,
): Promise<void> {
  const { key, log } = parseSelector(object, flags.namespace);
  if (key === undefined || log !== "cluster") {
    throw new UsageError(`${object} is no object: take kind/name, e.g. pod/web-1 -n default.`);
  }
  const moment = parseMoment(flags.at ?? "HEAD", output.now());
  const answer = await withinHistory(history, async () => {
    const at = await revisionOf(history.logs.cluster, moment);
    return answerWhy(history, { key, at, deleted: flags.deleted === true });
  });
  if (flags.output === "json") output.write(`${JSON.stringify(answer, null, 2)}\n`);
  else if (flags.output === "dot") output.write(answerDot(answer));
  else output.write(answerText(answer, paintFor(output)));
}
