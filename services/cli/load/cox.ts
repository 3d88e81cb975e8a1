/** The program `cox`. */
import { load } from "./load.ts";

const command = /^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? "other";
load(__dirname, "cox", `cox-${command}`);
