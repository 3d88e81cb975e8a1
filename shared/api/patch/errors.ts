import { failure, StatusError } from "../errors.ts";

/**
 * The Status of a patch that was read but cannot be applied to the object: 422 Invalid, always with
 * the same words. Kubernetes does not tell clients which operation failed.
 */
export function patchFailed(): StatusError {
  const message = "the server rejected our request due to an error in our request";
  return failure(422, "Invalid", message, {});
}

/** The Status of a patch with too many operations: 413 RequestEntityTooLarge. */
export function patchTooLarge(message: string): StatusError {
  return failure(413, "RequestEntityTooLarge", `Request entity too large: ${message}`);
}

/** Failures for which Kubernetes gives no reason: 500 with the bare message. */
export function unexplained(message: string): StatusError {
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    code: 500,
  });
}
