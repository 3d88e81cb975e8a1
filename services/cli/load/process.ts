/** The program of every process of a cluster: loads the one of the kind that is its first word. */
import { load } from "./load.ts";

const kind = /^(apiserver|control|nodes|node|host|verify)$/.exec(process.argv[2] ?? "")?.[0];
if (kind === undefined) throw new Error(`there is no kind of process "${process.argv[2]}"`);
load(__dirname, kind, kind);
