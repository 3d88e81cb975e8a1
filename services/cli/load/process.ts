/** The program of every process of a cluster: loads what the process's name stands for. */
import { load } from "./load.ts";

const name = process.argv[process.argv.indexOf("--process") + 1] ?? "";
const kind = /^(apiserver|control|nodes|node|host)(-.+)?$/.exec(name)?.[1];
if (kind === undefined) throw new Error(`no process is called "${name}"`);
load(__dirname, kind, kind);
