import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// biome-ignore lint/style/noDefaultExport: vitest reads its configuration from the default export
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What real processes do shows when they have done it; a shared machine may take its time.
    expect: { poll: { timeout: 10_000, interval: 50 } },
    pool: "forks",
    maxWorkers: 2,
  },
});
