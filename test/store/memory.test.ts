import { MemoryStore } from "../../shared/store/memory.ts";
import { storeConformance } from "./conformance.ts";
import { testRuntime } from "./harness.ts";

storeConformance("MemoryStore", async () => new MemoryStore(testRuntime), 100);
