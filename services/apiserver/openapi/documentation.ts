import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { definitionNames } from "../../../shared/api/schemas.ts";

/** What a definition and its fields are for, by the definition's name. */
export type Documentation = Readonly<Record<string, DefinitionTexts>>;

export interface DefinitionTexts {
  readonly description?: string;
  readonly fields: Readonly<Record<string, string>>;
}

const MODELS = join("@kubernetes", "client-node", "dist", "gen", "models");

/**
 * Reads the documentation of every definition from the comments of the installed Kubernetes client.
 * A step of the build: the texts are written to `dist/documentation.json`, never into the sources.
 * @param nodeModules the folder `node_modules` that holds `@kubernetes/client-node`.
 * @returns an empty record when the client is not installed.
 */
export function extractDocumentation(nodeModules: string): Record<string, DefinitionTexts> {
  const folder = join(nodeModules, MODELS);
  if (!existsSync(folder)) return {};
  const models = new Set(
    readdirSync(folder)
      .filter((file) => file.endsWith(".d.ts"))
      .map((file) => file.slice(0, -".d.ts".length)),
  );
  const documentation: Record<string, DefinitionTexts> = {};
  for (const name of definitionNames()) {
    const model = modelsOf(name).find((candidate) => models.has(candidate));
    if (!model) continue;
    const texts = textsOf(readFileSync(join(folder, `${model}.d.ts`), "utf8"));
    if (texts.description || Object.keys(texts.fields).length > 0) documentation[name] = texts;
  }
  return documentation;
}

/** Names that the client may give a definition: with the group where two would clash, first. */
function modelsOf(definition: string): string[] {
  const [kind = "", version = "", group = ""] = definition.split(".").reverse();
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return [`${capital(group)}${capital(version)}${kind}`, `${capital(version)}${kind}`, kind];
}

const CLASS = /\/\*\*\s*\n((?:\*[^\n]*\n)+?)\*\/\s*\nexport declare class /;
const FIELD = /\/\*\*\s*\n((?:\s*\*[^\n]*\n)+?)\s*\*\/\s*\n\s*'([^']+)'\??:/g;

/** The comments of one model's declaration. */
export function textsOf(declaration: string): DefinitionTexts {
  const fields: Record<string, string> = {};
  const description = CLASS.exec(declaration)?.[1];
  for (const [, comment = "", name = ""] of declaration.matchAll(FIELD)) {
    fields[name.replace(/^_/, "")] = textOf(comment);
  }
  return { ...(description ? { description: textOf(description) } : {}), fields };
}

function textOf(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\*\s?/, ""))
    .join("\n")
    .trim()
    .replace(/\\(['"`])/g, "$1");
}
