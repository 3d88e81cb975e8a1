// Builds dist/: the programs as a few bundles that start fast, and the field documentation for
// `kubectl explain`, taken from the installed type package.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** In the form of a module, packages in CommonJS still ask for `require`. */
export const BANNER = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
].join("\n");

/**
 * Data files are read next to the source that uses them, also after bundling: `import.meta.url` of
 * our own files keeps naming the source file.
 */
export function sourceUrls(root, bundleUrl) {
  return {
    name: "source-urls",
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.includes("node_modules")) return undefined;
        const source = readFileSync(path, "utf8");
        if (!source.includes("import.meta.url")) return undefined;
        const fromDist = JSON.stringify(`../${relative(root, path)}`);
        const url = `new URL(${fromDist}, ${bundleUrl}).href`;
        return { contents: source.replaceAll("import.meta.url", url), loader: "ts" };
      });
    },
  };
}

/** Bundles lie in one folder, not below it: source-urls counts on one depth. */
function options(root, entryPoints) {
  return {
    absWorkingDir: root,
    entryPoints,
    outdir: join(root, "dist"),
    bundle: true,
    platform: "node",
    target: "node20",
    sourcemap: "linked",
    logLevel: "error",
    // Optional native helpers of ws and pino's pretty printer: used if installed, never needed.
    external: ["bufferutil", "utf-8-validate", "pino-pretty"],
  };
}

/** For what is run all the time: one file each, of which services/cli/load keeps compiled code. */
function scripts(root, entryPoints) {
  const bundleUrl = 'require("node:url").pathToFileURL(__filename)';
  const plugins = [sourceUrls(root, bundleUrl)];
  return { ...options(root, entryPoints), format: "cjs", plugins };
}

function modules(root, entryPoints) {
  return {
    ...options(root, entryPoints),
    format: "esm",
    splitting: true,
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunk-[hash]",
    banner: { js: BANNER },
    plugins: [sourceUrls(root, "import.meta.url")],
  };
}

const PROGRAMS = {
  "cox.bundle": "services/cli/main.ts",
  "apiserver.bundle": "services/cli/process/programs/apiserver.ts",
  "control.bundle": "services/cli/process/programs/control.ts",
  "node.bundle": "services/cli/process/programs/node.ts",
  "nodes.bundle": "services/cli/process/programs/nodes.ts",
  "verify.bundle": "services/cli/process/programs/verify.ts",
  "host.bundle": "services/cli/process/programs/host.ts",
  cox: "services/cli/load/cox.ts",
  process: "services/cli/load/process.ts",
};

/** Builds everything under dist/. */
export async function buildAll(root) {
  const dist = join(root, "dist");
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  const documentation = { documentation: "services/apiserver/openapi/documentation.ts" };
  await Promise.all([build(scripts(root, PROGRAMS)), build(modules(root, documentation))]);
  const { extractDocumentation } = await import(
    pathToFileURL(join(dist, "documentation.mjs")).href
  );
  const texts = await extractDocumentation(join(root, "node_modules"));
  writeFileSync(join(dist, "documentation.json"), JSON.stringify(texts));
}

/** Writes shared/api/generated/ anew from a facts file (a maintainer's command). */
export async function generateTables(root, [factsFile]) {
  if (!factsFile) throw new Error("usage: npm run generate -- <facts.json>");
  await build(modules(root, { generate: "shared/api/generate.ts" }));
  const { generate } = await import(pathToFileURL(join(root, "dist", "generate.mjs")).href);
  generate(factsFile);
}

/** Bundles one program into dist/; returns its file. */
export async function buildOne(root, entry) {
  const name = entry.replace(/.*\//, "").replace(/\.ts$/, "");
  await build(modules(root, { [name]: entry }));
  return join(root, "dist", `${name}.mjs`);
}
