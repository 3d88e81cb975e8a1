import { LineCounter, parseDocument, type Tags } from "yaml";

/** What a YAML body holds. */
export interface YamlReading {
  readonly value: unknown;
  /** Repeated keys, as Kubernetes reports them: `line 3: key "a" already set in map`. */
  readonly duplicates: readonly string[];
}

export class YamlError extends Error {}

/** Kubernetes reads YAML 1.1, but neither its times nor its base 60 numbers nor binaries. */
function customTags(tags: Tags): Tags {
  return tags.filter((tag) => {
    if (typeof tag === "string")
      return !["timestamp", "binary", "intTime", "floatTime"].includes(tag);
    const { tag: name, format } = tag as { tag: string; format?: string };
    return format !== "TIME" && !/:(timestamp|binary|omap|pairs|set)$/.test(name);
  });
}

/**
 * Reads one YAML document as Kubernetes does.
 * @throws YamlError
 */
export function parseYaml(text: string): YamlReading {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    version: "1.1",
    customTags,
    lineCounter,
    uniqueKeys: true,
    prettyErrors: false,
  });
  const duplicates: string[] = [];
  for (const error of document.errors) {
    if (error.code === "MULTIPLE_DOCS") continue; // the first one counts
    const { line } = lineCounter.linePos(error.pos[0]);
    if (error.code === "DUPLICATE_KEY") {
      const key = /^[^\s:#]+/.exec(text.slice(error.pos[0]))?.[0] ?? "";
      duplicates.push(`line ${line}: key ${JSON.stringify(key)} already set in map`);
      continue;
    }
    throw new YamlError(`error converting YAML to JSON: yaml: line ${line}: ${error.message}`);
  }
  try {
    return { value: document.toJS({ maxAliasCount: 100 }), duplicates };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new YamlError(`error converting YAML to JSON: yaml: ${message}`);
  }
}
