import { runProcess } from "../run.ts";
import { runVerify } from "../verify.ts";

void runProcess(runVerify);
