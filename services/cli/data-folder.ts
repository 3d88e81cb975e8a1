import { resolve } from "node:path";

/** The data folder: given, or COX_DATA, or `.cox` in the current folder. */
export function dataFolder(given: string | undefined): string {
  return resolve(given ?? process.env["COX_DATA"] ?? ".cox");
}
