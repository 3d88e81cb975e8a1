import { CriRuntime } from "../../services/kubelet/runtimes/cri.ts";
import { type KubeletConfig, startKubelet } from "../../services/kubelet/start.ts";
import { silentLogger } from "../../shared/actor/dependencies.ts";
import { liveRuntime } from "../../shared/runtime/live.ts";
import { ChildBus } from "./ipc-bus.ts";

/** A kubelet in a process of its own, to be killed: `<CRI socket> <configuration as JSON>`. */
const [socket = "", config = "{}"] = process.argv.slice(2);
const environment = liveRuntime();
const runtime = await CriRuntime.connect({
  endpoint: `unix://${socket}`,
  now: () => environment.clock.now(),
  after: (ms, run) => environment.timers.after(ms, run),
});
const replica = `kubelet-${process.pid}`;
await startKubelet(
  { runtime: environment, bus: new ChildBus(replica), logger: silentLogger, replica },
  { ...(JSON.parse(config) as Omit<KubeletConfig, "runtime">), runtime },
);
process.send?.({ type: "publish", subject: "kubelet.started", data: new Uint8Array() });
