import { runProcess } from "../run.ts";
import { runSimulatedNodes } from "../simulated.ts";

void runProcess(runSimulatedNodes);
