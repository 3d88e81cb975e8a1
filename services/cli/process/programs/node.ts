import { runNode } from "../node.ts";
import { runProcess } from "../run.ts";

void runProcess(runNode);
