import type { Node, Taint } from "../generated/types.ts";
import type { KubernetesObject } from "../object.ts";
import { isDualStack, validateBlock } from "./addresses.ts";
import { validateTaintEffect } from "./affinity.ts";
import { sameMeaning } from "./equal.ts";
import type { Findings } from "./findings.ts";
import { labelValue } from "./names.ts";
import { validateResourceList } from "./resources.ts";

export function validateNode(found: Findings, object: KubernetesObject): void {
  const node = object as Node;
  validateTaints(found, "metadata.taints", node.spec?.taints);
  validateCapacity(found, node);
  const blocks = node.spec?.podCIDRs ?? [];
  blocks.forEach((block, index) => {
    validateBlock(found, `spec.podCIDRs[${index}]`, block);
  });
  if (blocks.length < 2) return;
  if (blocks.length > 2 || !isDualStack(blocks)) {
    const words = "may specify no more than one CIDR for each IP family";
    found.invalid("spec.podCIDRs", blocks, words);
  }
  blocks.forEach((block, index) => {
    if (blocks.indexOf(block) < index) found.duplicate(`spec.podCIDRs[${index}]`, block);
  });
}

function validateCapacity(found: Findings, { status }: Node): void {
  for (const part of ["capacity", "allocatable"] as const) {
    validateResourceList(found, (name) => `status.${part}.${name}`, status?.[part]);
  }
}

function validateTaints(found: Findings, field: string, taints: readonly Taint[] = []): void {
  const seen = new Set<string>();
  taints.forEach((taint, index) => {
    const at = `${field}[${index}]`;
    const { key = "", value = "", effect } = taint;
    found.qualifiedName(`${at}.key`, key);
    const wrong = labelValue(value);
    if (wrong.length) found.invalid(`${at}.value`, value, wrong.join(";"));
    if (effect) validateTaintEffect(found, `${at}.effect`, effect);
    else found.required(`${at}.effect`);
    const pair = `${key}:${effect}`;
    if (seen.has(pair)) {
      const detail = "taints must be unique by key and effect pair";
      found.add([{ type: "FieldValueDuplicate", field: at, badValue: taint, detail }]);
    }
    seen.add(pair);
  });
}

/** An update, of the node or of its status. */
export function validateNodeUpdate(
  found: Findings,
  object: KubernetesObject,
  oldObject: KubernetesObject,
): void {
  const node = object as Node;
  const old = oldObject as Node;
  validateCapacity(found, node);
  const addresses = node.status?.addresses ?? [];
  addresses.forEach((address, index) => {
    const repeated = addresses.slice(0, index).some((other) => sameMeaning(other, address));
    if (repeated) found.duplicate(`status.addresses[${index}]`, address);
  });
  const blocks = old.spec?.podCIDRs ?? [];
  if (blocks.length && !sameMeaning(node.spec?.podCIDRs, blocks)) {
    const words = 'node updates may not change podCIDR except from "" to valid';
    found.forbidden("spec.podCIDRs", words);
  }
  const provider = old.spec?.providerID;
  if (provider && node.spec?.providerID !== provider) {
    const words = 'node updates may not change providerID except from "" to valid';
    found.forbidden("spec.providerID", words);
  }
  validateTaints(found, "metadata.taints", node.spec?.taints);
  if ((node.spec?.externalID ?? "") !== (old.spec?.externalID ?? "")) {
    found.forbidden("spec.externalID", "may not be updated");
  }
}
