// Loaded into each process of a cluster under measurement (NODE_OPTIONS=--import): writes its
// garbage collections into a file of COX_GC_FOLDER, a line each: epoch milliseconds, duration in
// milliseconds, kind.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { PerformanceObserver, performance } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

const folder = process.env["COX_GC_FOLDER"];
const name = process.argv[process.argv.indexOf("--process") + 1];
const WRITE_MS = 1_000;

if (folder && name && isMainThread && process.argv.includes("--process")) {
  const file = join(folder, `${name}.${process.pid}.gc`);
  let lines = "";
  const write = () => {
    if (lines !== "") appendFileSync(file, lines);
    lines = "";
  };
  new PerformanceObserver((list) => {
    for (const { startTime, duration, detail } of list.getEntries()) {
      const at = Math.round(performance.timeOrigin + startTime);
      lines += `${at} ${duration.toFixed(3)} ${detail.kind}\n`;
    }
  }).observe({ entryTypes: ["gc"] });
  setInterval(write, WRITE_MS).unref();
  process.on("exit", write);
}
