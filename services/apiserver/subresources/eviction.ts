import { decodeBody } from "../../../shared/api/decode.ts";
import { badRequest, notFound, success } from "../../../shared/api/errors.ts";
import { kindSchema } from "../../../shared/api/schemas.ts";
import { admit } from "../admission/index.ts";
import type { EngineContext } from "../context.ts";
import { type Asked, type Decided, keyOfAsked } from "../decided.ts";
import { checkDeleteOptions, type DeleteOptions } from "../delete-options.ts";
import type { Draft } from "../draft.ts";
import { writeOptions } from "../options.ts";
import type { BodyResponse, ResourceRequest } from "../request.ts";
import { answerStatus } from "../respond.ts";
import { decideDelete } from "../verbs/delete.ts";
import { runWrite } from "../verbs/run-write.ts";

const KIND = { group: "policy", version: "v1", kind: "Eviction" };

/** POST to pods/<name>/eviction: a deletion that asks first. */
export async function createEviction(
  context: EngineContext,
  request: ResourceRequest,
): Promise<BodyResponse> {
  const options = writeOptions(request, "CreateOptions");
  const { body, contentType } = request;
  const target = { ...KIND, schema: kindSchema(KIND.group, KIND.version, KIND.kind) };
  const { object } = decodeBody(body, contentType, target, options.fieldValidation);
  if (object.metadata.name && object.metadata.name !== request.name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  const deletion = checkDeleteOptions(object.deleteOptions ?? {});
  const dryRun = options.dryRun || deletion.dryRun;
  await runWrite(
    context,
    request,
    { dryRun },
    {
      keys: [keyOfAsked(options.asked)],
      decide: (draft) => decideEviction(draft, options.asked, deletion),
    },
  );
  return answerStatus({ ...success({ group: "", plural: "" }, ""), code: 201 });
}

/** Decides an eviction. There are no disruption budgets yet: every pod may be evicted. */
export function decideEviction(draft: Draft, asked: Asked, options: DeleteOptions): Decided {
  const pod = draft.read(keyOfAsked(asked));
  if (pod === undefined) throw notFound(asked.table, asked.name);
  admit(draft, { operation: "CREATE", asked, object: pod, old: undefined });
  return decideDelete(draft, asked, options);
}
