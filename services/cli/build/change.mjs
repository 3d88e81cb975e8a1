// `node change.mjs <path> <file>`: bundles the program that decides a history again with changed
// actors into the file: the replay of this checkout, and the actors of another, or what a module
// exports. A program of its own, since the compiler is no part of the built `cox`.
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { BANNER, sourceUrls } from "./build.mjs";

/** Where the actors of a checkout are. */
const ACTORS = [
  "services/controllers/index.ts",
  "services/scheduler/redecide.ts",
  "services/kubelet/redecide.ts",
];
const MODULES = ["index.ts", "index.mjs", "index.js"];

/** What `--with` names: a checkout, or a module. @throws Error in words for the user */
function changeAt(path) {
  const at = resolve(path);
  if (!existsSync(at)) throw new Error(`There is no ${path}.`);
  if (statSync(at).isFile()) return { module: at };
  if (existsSync(join(at, "services"))) {
    const missing = ACTORS.find((file) => !existsSync(join(at, file)));
    if (missing === undefined) return { checkout: at };
    throw new Error(`${path} has no ${missing}: it is no checkout, or too old to decide again.`);
  }
  const index = MODULES.find((file) => existsSync(join(at, file)));
  if (index !== undefined) return { module: join(at, index) };
  throw new Error(`${path} is neither a checkout nor a module (${MODULES.join(", ")}).`);
}

/** @throws Error with the compiler's message */
async function bundleChange(root, change, file) {
  const child = join(root, "services/replay/child.ts");
  // The program is elsewhere, but data files are found from where programs are built.
  const besideDist = JSON.stringify(pathToFileURL(join(root, "dist", "replay.js")).href);
  await build({
    absWorkingDir: root,
    entryPoints: [child],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    banner: { js: BANNER },
    // A folder without packages of its own uses ours.
    nodePaths: [join(root, "node_modules")],
    plugins: [inPlaceOfOurs(root, change), sourceUrls(root, besideDist)],
    logLevel: "silent",
    external: ["bufferutil", "utf-8-validate", "pino-pretty"],
  });
}

function inPlaceOfOurs(root, { checkout, module }) {
  const actors = join(root, "services/replay/actors.ts");
  const child = join(root, "services/replay/child.ts");
  return {
    name: "in-place-of-ours",
    setup(builder) {
      builder.onResolve({ filter: /^\.\.?\// }, ({ path, importer, resolveDir }) => {
        const target = resolve(resolveDir, path);
        if (checkout !== undefined && importer === actors) {
          const file = ACTORS.find((each) => join(root, each) === target);
          return file && { path: join(checkout, file) };
        }
        if (module !== undefined && importer === child && path === "./change.ts") {
          return { path: module };
        }
        return undefined;
      });
    },
  };
}

const [path, file] = process.argv.slice(2);
try {
  const root = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
  await bundleChange(root, changeAt(path), file);
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}
