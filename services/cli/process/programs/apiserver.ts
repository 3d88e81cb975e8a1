import { runApiserver } from "../apiserver.ts";
import { runProcess } from "../run.ts";

void runProcess(runApiserver);
