import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { KubernetesObject } from "../../../shared/api/object.ts";
import { SmallServer } from "./server.ts";

const run = promisify(execFile);

let server: SmallServer;
let home: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "kubectl-"));
  server = await SmallServer.start();
});

afterAll(async () => {
  await server.stop();
  rmSync(home, { recursive: true, force: true });
});

/** Runs the installed kubectl against the server, with a home of its own. */
async function kubectl(...words: string[]): Promise<{ stdout: string; stderr: string }> {
  const environment = { PATH: process.env["PATH"], HOME: home };
  return run("kubectl", [`--server=${server.url}`, ...words], { env: environment });
}

async function failing(...words: string[]): Promise<string> {
  return kubectl(...words).then(
    () => expect.fail("kubectl should have failed"),
    (error: { stderr: string }) => error.stderr,
  );
}

function file(name: string, content: object): string {
  const path = join(home, name);
  writeFileSync(path, stringify(content));
  return path;
}

function deployment(containers: object[], strategy: object = { type: "RollingUpdate" }): object {
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      strategy,
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}

function stored(key: string): KubernetesObject {
  const object = server.objects.get(key);
  if (!object) throw new Error(`no ${key}`);
  return object;
}

describe("kubectl with the documents", () => {
  test("api-versions", async () => {
    const { stdout } = await kubectl("api-versions");
    expect(stdout.trim().split("\n")).toEqual([
      "apps/v1",
      "authentication.k8s.io/v1",
      "authorization.k8s.io/v1",
      "coordination.k8s.io/v1",
      "discovery.k8s.io/v1",
      "events.k8s.io/v1",
      "rbac.authorization.k8s.io/v1",
      "v1",
    ]);
  });

  test("api-resources", async () => {
    const { stdout } = await kubectl("api-resources", "--no-headers");
    const rows = stdout
      .trim()
      .split("\n")
      .map((row) => row.split(/\s+/).join(" "));
    expect(rows).toContain("pods po v1 true Pod");
    expect(rows).toContain("nodes no v1 false Node");
    expect(rows).toContain("deployments deploy apps/v1 true Deployment");
    expect(rows).toContain("endpointslices discovery.k8s.io/v1 true EndpointSlice");
  });

  test("explain a list of containers", async () => {
    const { stdout } = await kubectl("explain", "pod.spec.containers");
    expect(stdout).toContain("FIELD: containers <[]Container>");
    expect(stdout).toMatch(/name\t<string> -required-\n\s+Name of the container/);
    expect(stdout).toMatch(/livenessProbe\t<Probe>/);
  });

  test("explain everything below a field", async () => {
    const { stdout } = await kubectl("explain", "deployment.spec.strategy", "--recursive");
    expect(stdout).toContain("GROUP:      apps");
    expect(stdout).toMatch(/rollingUpdate\t<RollingUpdateDeployment>\n\s+maxSurge\t<IntOrString>/);
  });

  test("explain from the protobuf form of OpenAPI v2", async () => {
    const { stdout } = await kubectl("explain", "pod.spec", "--output=plaintext-openapiv2");
    expect(stdout).toContain("RESOURCE: spec <Object>");
    expect(stdout).toMatch(/containers\t<\[\]Object> -required-/);
    expect(server.seen.map(({ path }) => path)).toContain("/openapi/v2");
  });

  test("explain what is not there", async () => {
    expect(await failing("explain", "pod.spec.nothing")).toContain(
      'field "nothing" does not exist',
    );
  });
});

describe("kubectl with patches", () => {
  test("create finds that fields are validated by the server", async () => {
    const manifest = file("cm.yaml", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings", namespace: "default" },
      data: { a: "1" },
    });
    await kubectl("create", "--validate=strict", "-f", manifest);
    const created = server.seen.find(({ method }) => method === "POST");
    expect(created?.query.get("fieldValidation")).toBe("Strict");
    const entry = stored("configmaps./settings").metadata.managedFields?.[0];
    expect(entry).toMatchObject({ manager: "kubectl-create", operation: "Update" });
  });

  test("apply, and apply again with changes", async () => {
    const first = [
      { name: "a", image: "x", ports: [{ containerPort: 80 }], env: [{ name: "E", value: "1" }] },
      { name: "b", image: "y" },
    ];
    await kubectl("apply", "-f", file("web.yaml", deployment(first)));
    const again = await kubectl("apply", "-f", file("web.yaml", deployment(first)));
    expect(again.stdout).toBe("deployment.apps/web unchanged\n");

    const second = [
      { name: "new", image: "z" },
      { name: "a", image: "x2", ports: [{ containerPort: 80 }, { containerPort: 81 }] },
    ];
    const strategy = { type: "Recreate" };
    const changed = await kubectl("apply", "-f", file("web.yaml", deployment(second, strategy)));
    expect(changed.stdout).toBe("deployment.apps/web configured\n");
    const patch = server.seen.findLast(({ method }) => method === "PATCH");
    expect(patch?.contentType).toBe("application/strategic-merge-patch+json");
    expect(patch?.body).toContain("$setElementOrder/containers");
    const { spec } = stored("deployments.apps/web");
    expect(spec.strategy).toEqual(strategy);
    expect(spec.template.spec.containers).toEqual(second);
  });

  test("server-side apply takes over, conflicts, and forces", async () => {
    const one = [{ name: "a", image: "one" }];
    const { stdout } = await kubectl(
      "apply",
      "--server-side",
      "-f",
      file("web.yaml", deployment(one, { type: "Recreate" })),
    );
    expect(stdout).toBe("deployment.apps/web serverside-applied\n");
    const managers = stored("deployments.apps/web").metadata.managedFields ?? [];
    // kubectl itself moves its former entry and keeps the annotation under a name of its own.
    expect(managers.map(({ manager, operation }) => `${manager} ${operation}`).sort()).toEqual([
      "kubectl Apply",
      "kubectl-last-applied Apply",
    ]);
    expect(stored("deployments.apps/web")["spec"].template.spec.containers).toEqual(one);

    const two = file("two.yaml", deployment([{ name: "a", image: "two" }], { type: "Recreate" }));
    const other = ["apply", "--server-side", "--field-manager=other", "-f", two];
    expect(await failing(...other)).toContain(
      'conflict with "kubectl": .spec.template.spec.containers[name="a"].image',
    );
    await kubectl(...other, "--force-conflicts");
    expect(stored("deployments.apps/web")["spec"].template.spec.containers).toEqual([
      { name: "a", image: "two" },
    ]);
  });

  test("patch in each form", async () => {
    const patch = (type: string, body: string) =>
      kubectl("patch", "configmap", "settings", `--type=${type}`, "-p", body);
    await patch("merge", '{"data":{"b":"2"}}');
    await patch("strategic", '{"data":{"a":null}}');
    await patch(
      "json",
      '[{"op":"test","path":"/data/b","value":"2"},{"op":"add","path":"/data/c","value":"3"}]',
    );
    expect(stored("configmaps./settings")["data"]).toEqual({ b: "2", c: "3" });
    const failed = failing(
      "patch",
      "configmap",
      "settings",
      "--type=json",
      "-p",
      '[{"op":"test","path":"/data/b","value":"9"}]',
    );
    expect(await failed).toContain(
      "The request is invalid: the server rejected our request due to an error in our request",
    );
  });
});

describe("kubectl with tables", () => {
  test("get, and get -o wide", async () => {
    const narrow = await kubectl("get", "deployments");
    expect(narrow.stdout).toMatch(
      /^NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\nweb\s+0\/2\s+0\s+0/,
    );
    const wide = await kubectl("get", "deployment", "web", "-o", "wide");
    expect(wide.stdout.split("\n")[0]?.trim().split(/\s+/)).toEqual([
      "NAME",
      "READY",
      "UP-TO-DATE",
      "AVAILABLE",
      "AGE",
      "CONTAINERS",
      "IMAGES",
      "SELECTOR",
    ]);
    expect(wide.stdout).toContain("app=web");
  });

  test("get -o name from a list", async () => {
    const { stdout } = await kubectl("get", "configmaps", "--no-headers");
    expect(stdout).toMatch(/^settings\s+2\s/);
  });
});
