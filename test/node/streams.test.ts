import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnMachine } from "../network/machine.ts";
import { collect, isReady, NodeLab } from "./lab.ts";

const CHATTER = [
  "sh",
  "-c",
  "for i in 1 2 3; do echo out $i; echo err $i >&2; done; exec sleep 100000",
];

describeOnMachine("streams of a real node", ["containerd", "runc", "busybox"], () => {
  const lab = new NodeLab();
  let name = "";
  beforeAll(async () => {
    await lab.start();
    name = await lab.pod({
      containers: [
        { name: "main", command: CHATTER },
        {
          name: "web",
          command: ["sh", "-c", "mkdir /w; echo page > /w/index.html; exec httpd -f -p 8080 -h /w"],
        },
        { name: "cat", command: ["cat"], stdin: true },
      ],
    });
    await lab.until(name, isReady);
  }, 60_000);
  afterAll(() => lab.stop(), 60_000);

  it("answers the output and the exit code of a command", async () => {
    const outcome = await lab.exec(name, "main", "sh", "-c", "echo out; echo err >&2; exit 7");
    expect(outcome).toMatchObject({
      stdout: "out\n",
      stderr: "err\n",
      status: {
        status: "Failure",
        reason: "NonZeroExitCode",
        details: { causes: [{ reason: "ExitCode", message: "7" }] },
      },
    });
    expect((await lab.exec(name, "main", "true")).status["status"]).toBe("Success");
  });

  it("passes input until its end, unharmed", async () => {
    const io = { stdin: true, stdout: true, stderr: true, tty: false };
    const open = { operation: "exec", container: "main", command: ["md5sum"], ...io };
    const stream = await lab.stream(name, open as never);
    const data = Buffer.alloc(3_000_000, "0123456789abcdef");
    await stream.write(0, data);
    stream.closeChannel(0);
    const { createHash } = await import("node:crypto");
    expect(await collect(stream, 1)).toContain(createHash("md5").update(data).digest("hex"));
    await stream.end();
  });

  it("gives a command a terminal and its size", async () => {
    const io = { stdin: true, stdout: true, stderr: false, tty: true };
    const stream = await lab.stream(name, {
      operation: "exec",
      container: "main",
      command: ["sh"],
      ...io,
    } as never);
    await stream.write(4, JSON.stringify({ Width: 123, Height: 45 }));
    await stream.write(0, "sleep 0.2; stty size; tty; exit 4\n");
    const [text, status] = await Promise.all([collect(stream, 1), collect(stream, 3)]);
    await stream.end();
    expect(text).toContain("45 123");
    expect(text).toContain("/dev/pts/");
    expect(status).toContain('"message":"4"');
  });

  it("attaches to what runs", async () => {
    const io = { stdin: true, stdout: true, stderr: true, tty: false };
    const stream = await lab.stream(name, {
      operation: "attach",
      container: "cat",
      ...io,
    } as never);
    await stream.write(0, "echoed\n");
    const first = await stream.read(1).next();
    expect(Buffer.from(first.value).toString()).toBe("echoed\n");
    stream.abort("seen enough");
  });

  it("serves logs as asked", async () => {
    expect(await lab.logs(name, "main", { stream: "Stdout" })).toBe("out 1\nout 2\nout 3\n");
    expect(await lab.logs(name, "main", { stream: "Stderr", tailLines: 6 })).toBe(
      "err 1\nerr 2\nerr 3\n",
    );
    expect((await lab.logs(name, "main", { tailLines: 2 })).split("\n")).toHaveLength(3);
    expect(await lab.logs(name, "main", { stream: "Stdout", limitBytes: 7 })).toBe("out 1\no");
    const stamped = await lab.logs(name, "main", { stream: "Stdout", timestamps: true });
    expect(stamped).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z out 1\n/);
    expect(await lab.logs(name, "main", { sinceMs: Date.now() + 60_000 })).toBe("");
    await expect(lab.logs(name, "main", { previous: true })).rejects.toThrow(
      `previous terminated container "main" in pod "${name}" not found`,
    );
  });

  it("follows a log over rotations to the container's end", async () => {
    const { readdirSync, renameSync } = await import("node:fs");
    const other = await lab.pod({
      restartPolicy: "Never",
      containers: [
        { name: "main", command: ["sh", "-c", "echo a; sleep 2; echo b; sleep 1; echo c"] },
      ],
    });
    const pod = await lab.until(other, ({ status }) => status?.phase === "Running");
    const wish = { follow: true, previous: false, timestamps: false, stream: "All" };
    const stream = await lab.stream(other, {
      operation: "log",
      container: "main",
      ...wish,
    } as never);
    const first = await stream.read(1).next();
    expect(Buffer.from(first.value).toString()).toBe("a\n");
    const folder = `${lab.kubeletConfig().logDirectory}/default_${other}_${pod.metadata.uid}/main`;
    renameSync(`${folder}/0.log`, `${folder}/0.log.20260101-000000`);
    const [container] = (await lab.cri.listContainers()).filter(
      ({ labels }) => labels["io.kubernetes.pod.name"] === other,
    );
    await lab.cri.reopenLog(container?.id ?? "");
    expect(await collect(stream, 1)).toBe("b\nc\n");
    await stream.end();
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it("forwards connections to a port of the pod", async () => {
    const stream = await lab.stream(name, { operation: "portforward", port: 8080 } as never);
    await stream.write(0, "GET / HTTP/1.0\r\n\r\n");
    expect(await collect(stream, 1)).toContain("page");
    await stream.end();
    const refused = await lab.stream(name, { operation: "portforward", port: 9 } as never);
    await refused.write(0, "x");
    expect(await collect(refused, 3)).toContain("connection refused");
  });

  it("refuses what is not there", async () => {
    await expect(lab.exec(name, "other", "true")).rejects.toThrow(
      "container other is not valid for pod",
    );
    await expect(lab.exec(name, "main", "/no/such")).resolves.toMatchObject({
      status: { status: "Failure" },
    });
  });
});
