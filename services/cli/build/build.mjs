// Builds dist/: the programs as a few bundles that start fast, and the field documentation for
// `kubectl explain`, taken from the installed type package.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** CommonJS packages inside an ES module bundle still ask for `require`. */
export const BANNER = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
].join("\n");

/**
 * Data files are read next to the source that uses them, also after bundling: `import.meta.url` of
 * our own files keeps naming the source file, beside dist/ or by its whole path.
 */
export function sourceUrls(root, absolute = false) {
  return {
    name: "source-urls",
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes("node_modules")) return undefined;
        const source = readFileSync(path, "utf8");
        if (!source.includes("import.meta.url")) return undefined;
        const fromDist = JSON.stringify(`../${relative(root, path)}`);
        const url = absolute
          ? JSON.stringify(pathToFileURL(path).href)
          : `new URL(${fromDist}, import.meta.url).href`;
        return { contents: source.replaceAll("import.meta.url", url), loader: "ts" };
      });
    },
  };
}

function options(root, entryPoints, outdir) {
  return {
    absWorkingDir: root,
    entryPoints,
    outdir,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "linked",
    // Beside the entries, not below them: source-urls counts on one depth.
    chunkNames: "chunk-[hash]",
    banner: { js: BANNER },
    plugins: [sourceUrls(root)],
    logLevel: "error",
    // Optional native helpers of ws and pino's pretty printer: used if installed, never needed.
    external: ["bufferutil", "utf-8-validate", "pino-pretty"],
  };
}

/** Builds everything under dist/. */
export async function buildAll(root) {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  const entries = {
    cox: "services/cli/main.ts",
    process: "services/cli/process/main.ts",
    documentation: "services/apiserver/openapi/documentation.ts",
  };
  await build(options(root, entries, join(root, "dist")));
  const { extractDocumentation } = await import(
    pathToFileURL(join(root, "dist", "documentation.js")).href
  );
  const documentation = await extractDocumentation(join(root, "node_modules"));
  writeFileSync(join(root, "dist", "documentation.json"), JSON.stringify(documentation));
}

/** Writes shared/api/generated/ anew from a facts file (a maintainer's command). */
export async function generateTables(root, [factsFile]) {
  if (!factsFile) throw new Error("usage: npm run generate -- <facts.json>");
  const outdir = join(root, "dist");
  await build(options(root, { generate: "shared/api/generate.ts" }, outdir));
  const { generate } = await import(pathToFileURL(join(outdir, "generate.js")).href);
  generate(factsFile);
}

/** Bundles one program into dist/; returns its file. */
export async function buildOne(root, entry) {
  const name = entry.replace(/.*\//, "").replace(/\.ts$/, "");
  await build(options(root, { [name]: entry }, join(root, "dist")));
  return join(root, "dist", `${name}.js`);
}
