import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";

/** The cases of a YAML table that lies beside the test. */
export function casesOf<T>(file: string): readonly T[] {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return parseDocument(text).toJS() as T[];
}
