import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnMachine } from "../network/machine.ts";
import { isReady, NodeLab } from "./lab.ts";

describeOnMachine("pods on a real node", ["containerd", "runc", "busybox"], () => {
  const lab = new NodeLab();
  beforeAll(() => lab.start(), 60_000);
  afterAll(() => lab.stop(), 60_000);

  it("runs a pod, reports it, and takes it down", async () => {
    const name = await lab.pod({
      containers: [
        {
          name: "main",
          command: ["sh", "-c", "echo hello; trap 'exit 0' TERM; sleep 1000 & wait"],
        },
      ],
    });
    const pod = await lab.until(name, isReady);
    console.log(JSON.stringify(pod.status, undefined, 1));
    console.log(await lab.events(name));
    console.log(await lab.exec(name, "main", "cat", "/etc/hosts", "/etc/resolv.conf"));
    expect(await lab.logs(name, "main")).toBe("hello\n");
    await lab.delete(name);
    await lab.untilGone(name);
  });
});
