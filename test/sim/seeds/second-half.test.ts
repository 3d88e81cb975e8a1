import { checkSeeds } from "./check.ts";

checkSeeds(101, 200);
