import { runHost } from "../host.ts";
import { runProcess } from "../run.ts";

void runProcess(runHost);
