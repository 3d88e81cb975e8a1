import { afterAll, beforeAll, expect, it } from "vitest";
import type { Pod } from "../../shared/api/generated/types.ts";
import { describeOnMachine } from "../network/machine.ts";
import { isReady, NodeLab } from "./lab.ts";

const FOREVER = ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"];

describeOnMachine("pods on a real node", ["containerd", "runc", "busybox"], () => {
  const lab = new NodeLab();
  beforeAll(() => lab.start(), 60_000);
  afterAll(() => lab.stop(), 60_000);

  it("runs a pod, reports it, and takes it down", async () => {
    const name = await lab.pod({
      containers: [{ name: "main", command: ["sh", "-c", "echo hello; exec sleep 100000"] }],
      terminationGracePeriodSeconds: 1,
    });
    const pod = await lab.until(name, isReady);
    expect(pod.status).toMatchObject({
      phase: "Running",
      qosClass: "BestEffort",
      podIPs: [{ ip: pod.status?.podIP }],
      containerStatuses: [{ name: "main", ready: true, started: true, restartCount: 0 }],
    });
    expect(await lab.logs(name, "main")).toBe("hello\n");
    // Events are told behind what they tell of.
    const reasons = async () => (await lab.events(name)).map((event) => event.split(":")[0]);
    await expect
      .poll(reasons, { timeout: 10_000 })
      .toEqual(expect.arrayContaining(["Pulled", "Created", "Started"]));
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("runs init containers in order, sidecars beside the rest, and stops them last", async () => {
    const mount = { volumeMounts: [{ name: "shared", mountPath: "/shared" }] };
    const say = (text: string): string[] => ["sh", "-c", `echo ${text} >> /shared/order`];
    const name = await lab.pod({
      restartPolicy: "Never",
      volumes: [{ name: "shared", emptyDir: {} }],
      initContainers: [
        { name: "first", command: say("first"), ...mount },
        {
          name: "sidecar",
          restartPolicy: "Always",
          command: [
            "sh",
            "-c",
            "echo sidecar >> /shared/order; touch /shared/up; exec sleep 100000",
          ],
          startupProbe: { exec: { command: ["test", "-e", "/shared/up"] }, periodSeconds: 1 },
          ...mount,
        },
        { name: "second", command: say("second"), ...mount },
      ],
      containers: [
        {
          name: "main",
          command: ["sh", "-c", "echo main >> /shared/order; cat /shared/order"],
          ...mount,
        },
      ],
      terminationGracePeriodSeconds: 1,
    });
    const pod = await lab.until(name, ({ status }) => status?.phase === "Succeeded");
    expect(await lab.logs(name, "main")).toBe("first\nsidecar\nsecond\nmain\n");
    expect(
      pod.status?.initContainerStatuses?.map(({ state }) => state?.terminated?.reason),
    ).toEqual(["Completed", "Error", "Completed"]);
    expect(conditionsOf(pod)).toMatchObject({
      Initialized: "True",
      Ready: "False",
      ContainersReady: "False",
    });
    await lab.delete(name);
    await lab.untilGone(name);
  });

  it("gives containers their environment from every source", async () => {
    await lab.create("configmaps", {
      metadata: { name: "settings" },
      data: { COLOUR: "red", size: "9" },
    });
    await lab.create("secrets", { metadata: { name: "keys" }, stringData: { token: "s3cret" } });
    const name = await lab.pod(
      {
        restartPolicy: "Never",
        containers: [
          {
            name: "main",
            command: ["sh", "-c", "env; echo args: $0 $1", "$(GREETING)", "$$(GREETING)"],
            resources: { requests: { cpu: "100m" }, limits: { memory: "64Mi" } },
            envFrom: [
              { configMapRef: { name: "settings" } },
              { prefix: "P_", secretRef: { name: "keys" } },
            ],
            env: [
              { name: "WHO", value: "world" },
              { name: "GREETING", value: "hello $(WHO)" },
              { name: "SIZE", valueFrom: { configMapKeyRef: { name: "settings", key: "size" } } },
              { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
              { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              { name: "TIER", valueFrom: { fieldRef: { fieldPath: "metadata.labels['tier']" } } },
              {
                name: "CPU",
                valueFrom: { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } },
              },
              { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
            ],
          },
        ],
      },
      { labels: { tier: "front" } },
    );
    const pod = await lab.until(name, ({ status }) => status?.phase === "Succeeded");
    const lines = (await lab.logs(name, "main")).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "COLOUR=red",
        "P_token=s3cret",
        "GREETING=hello world",
        "SIZE=9",
        "TOKEN=s3cret",
        `NAME=${name}`,
        `IP=${pod.status?.podIP}`,
        "TIER=front",
        "CPU=100",
        `MEMORY=${64 * 1024 * 1024}`,
        "args: hello world $(GREETING)",
      ]),
    );
  });

  it("fills volumes and keeps them current", async () => {
    await lab.create("configmaps", {
      metadata: { name: "page" },
      data: { "index.html": "one", extra: "x" },
    });
    await lab.create("secrets", { metadata: { name: "cert" }, stringData: { key: "private" } });
    const name = await lab.pod(
      {
        securityContext: { fsGroup: 2000 },
        volumes: [
          { name: "page", configMap: { name: "page" } },
          {
            name: "cert",
            secret: { secretName: "cert", items: [{ key: "key", path: "a/b", mode: 0o400 }] },
          },
          { name: "memory", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
          {
            name: "fields",
            downwardAPI: {
              items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }],
            },
          },
          {
            name: "token",
            projected: {
              sources: [
                {
                  serviceAccountToken: { path: "token", expirationSeconds: 3600, audience: "here" },
                },
                { configMap: { name: "kube-root-ca.crt" } },
              ],
            },
          },
        ],
        containers: [
          {
            name: "main",
            command: FOREVER,
            volumeMounts: [
              { name: "page", mountPath: "/page" },
              { name: "page", mountPath: "/one.html", subPath: "index.html" },
              { name: "cert", mountPath: "/cert" },
              { name: "memory", mountPath: "/memory" },
              { name: "fields", mountPath: "/fields" },
              { name: "token", mountPath: "/token" },
            ],
          },
        ],
      },
      { labels: { tier: "front" } },
    );
    await lab.until(name, isReady);
    const run = async (...command: string[]) => (await lab.exec(name, "main", ...command)).stdout;
    expect(await run("cat", "/page/index.html", "/one.html", "/cert/a/b", "/fields/labels")).toBe(
      'oneoneprivatetier="front"',
    );
    expect(await run("stat", "-c", "%a %g", "/cert/a/..data/a/b", "/memory")).toContain("2000");
    expect(await run("cat", "/proc/mounts")).toMatch(/tmpfs \/memory tmpfs .*size=1024k/);
    expect((await run("cat", "/token/token")).split(".")).toHaveLength(3);
    expect((await lab.exec(name, "main", "touch", "/page/new")).status["status"]).toBe("Failure");
    await lab.call({
      verb: "patch",
      resource: "configmaps",
      namespace: "default",
      name: "page",
      contentType: "application/merge-patch+json",
      body: { data: { "index.html": "two", extra: null } },
    });
    await expect.poll(() => run("cat", "/page/index.html"), { timeout: 10_000 }).toBe("two");
    expect(await run("ls", "/page")).toBe("index.html\n");
    await lab.delete(name, 1);
    await lab.untilGone(name);
  });

  it("waits for what a container refers to, and says what is missing", async () => {
    const name = await lab.pod({
      containers: [
        { name: "main", command: FOREVER, envFrom: [{ configMapRef: { name: "later" } }] },
      ],
    });
    const waiting = await lab.until(
      name,
      (pod) => waitingReason(pod) === "CreateContainerConfigError",
    );
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe(
      'configmap "later" not found',
    );
    await lab.create("configmaps", { metadata: { name: "later" }, data: {} });
    await lab.until(name, isReady);
    await lab.delete(name, 1);
  });

  it("says why an image is not there", async () => {
    const missing = await lab.pod({
      containers: [{ name: "main", image: "registry.local/no/such:1" }],
    });
    const never = await lab.pod({
      containers: [{ name: "main", image: "registry.local/no/such:2", imagePullPolicy: "Never" }],
    });
    const wrong = await lab.pod({ containers: [{ name: "main", image: "Not/An/Image" }] });
    await lab.until(missing, (pod) => waitingReason(pod) === "ErrImagePull");
    const waiting = await lab.until(missing, (pod) => waitingReason(pod) === "ImagePullBackOff");
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting?.message).toMatch(
      /^Back-off pulling image "registry.local\/no\/such:1": ErrImagePull: /,
    );
    await lab.until(never, (pod) => waitingReason(pod) === "ErrImageNeverPull");
    await lab.until(wrong, (pod) => waitingReason(pod) === "InvalidImageName");
    for (const name of [missing, never, wrong]) await lab.delete(name, 0);
  });

  it("applies security settings and limits", async () => {
    const name = await lab.pod({
      securityContext: { runAsUser: 1234, runAsGroup: 5678, supplementalGroups: [77] },
      containers: [
        {
          name: "main",
          command: FOREVER,
          resources: { limits: { cpu: "500m", memory: "32Mi" } },
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
        },
      ],
    });
    const pod = await lab.until(name, isReady);
    expect(pod.status?.qosClass).toBe("Guaranteed");
    expect((await lab.exec(name, "main", "id")).stdout).toContain(
      "uid=1234 gid=5678 groups=77,5678",
    );
    expect((await lab.exec(name, "main", "touch", "/x")).stderr).toContain("Read-only file system");
    const status = (await lab.exec(name, "main", "cat", "/proc/self/status")).stdout;
    expect(status).toMatch(/NoNewPrivs:\s*1/);
    expect(status).toMatch(/CapBnd:\s*0000000000000000/);
    expect(status).toMatch(/Seccomp:\s*2/);
    const refused = await lab.pod({
      containers: [{ name: "main", command: FOREVER, securityContext: { runAsNonRoot: true } }],
    });
    const waiting = await lab.until(
      refused,
      (one) => waitingReason(one) === "CreateContainerConfigError",
    );
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting?.message).toContain(
      "container has runAsNonRoot and image will run as root",
    );
    for (const one of [name, refused]) await lab.delete(one, 0);
  });
});

function waitingReason(pod: Pod): string | undefined {
  return pod.status?.containerStatuses?.[0]?.state?.waiting?.reason;
}

function conditionsOf(pod: Pod): Record<string, string> {
  return Object.fromEntries(
    (pod.status?.conditions ?? []).map(({ type, status }) => [type, status]),
  );
}
