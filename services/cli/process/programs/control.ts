import { runControl } from "../control.ts";
import { runProcess } from "../run.ts";

void runProcess(runControl);
