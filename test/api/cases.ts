import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";

/** What a YAML file beside the tests holds. */
export function tableOf<T>(file: string): T {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return parseDocument(text).toJS() as T;
}
