import type { FieldError } from "../field-error.ts";
import { Findings } from "./findings.ts";
import { validateFieldManager } from "./metadata.ts";

/** Query parameters of a write. */
export interface WriteOptions {
  readonly fieldManager?: string;
  readonly fieldValidation?: string;
  readonly dryRun?: readonly string[];
  /** Only of patches. */
  readonly force?: boolean;
}

const FIELD_VALIDATIONS = ["", "Ignore", "Strict", "Warn"];

/** Create, update and patch; upstream answers Invalid of meta.k8s.io's options kind. */
export function validateWriteOptions(
  options: WriteOptions,
  operation: "create" | "update" | "patch" | "apply",
): FieldError[] {
  const found = new Findings();
  const { fieldManager = "", fieldValidation = "", dryRun = [], force } = options;
  if (operation !== "apply" && force !== undefined) {
    found.forbidden("force", "may not be specified for non-apply patch");
  }
  if (operation === "apply" && !fieldManager) {
    found.required("fieldManager", "is required for apply patch");
  }
  validateFieldManager(found, "fieldManager", fieldManager);
  validateDryRun(found, dryRun);
  found.oneOf("fieldValidation", fieldValidation, FIELD_VALIDATIONS);
  return found.list;
}

function validateDryRun(found: Findings, dryRun: readonly string[]): void {
  if (dryRun.every((value) => value === "All")) return;
  const detail = 'supported values: "All"';
  found.add([{ type: "FieldValueNotSupported", field: "dryRun", badValue: dryRun, detail }]);
}

/** A DeleteOptions body. */
export interface DeleteOptionsLike {
  readonly orphanDependents?: boolean;
  readonly propagationPolicy?: string;
  readonly dryRun?: readonly string[];
  readonly gracePeriodSeconds?: number;
}

export function validateDeleteOptions(options: DeleteOptionsLike): FieldError[] {
  const found = new Findings();
  const { orphanDependents, propagationPolicy, dryRun = [] } = options;
  if (propagationPolicy !== undefined) {
    if (orphanDependents !== undefined) {
      const words = "orphanDependents and deletionPropagation cannot be both set";
      found.invalid("propagationPolicy", propagationPolicy, words);
    }
    const policies = ["Foreground", "Background", "Orphan", "nil"];
    found.oneOf("propagationPolicy", propagationPolicy, policies);
  }
  validateDryRun(found, dryRun);
  return found.list;
}
