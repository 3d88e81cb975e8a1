/** One process of a cluster: runs the actors that its name stands for until told to stop. */
import { parseArgs } from "node:util";
import { pathsOf, readSettings } from "../cluster.ts";
import { layoutOf } from "../layout.ts";
import { kindOf } from "./parts.ts";
import { serve } from "./serve.ts";

const { values } = parseArgs({
  options: { data: { type: "string" }, process: { type: "string" }, socket: { type: "string" } },
});
const { data = "", process: name = "" } = values;
const paths = pathsOf(data);
const settings = readSettings(paths);
if (settings === undefined) throw new Error(`there is no cluster in ${data}`);
const socket = values.socket === undefined ? {} : { socket: Number(values.socket) };
const planned = layoutOf(settings).find((each) => each.name === name);
if (planned === undefined) throw new Error(`the cluster has no process called ${name}`);
await serve({ ...planned, kind: kindOf(planned), paths, settings, ...socket });
