import { describe, expect, it } from "vitest";
import { danglingObjects, USER_MARK } from "../../services/verify/invariants.ts";
import { Verifier } from "../../services/verify/verifier.ts";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import type { Version } from "../../shared/store/store.ts";
import { deployment, keyOfObject, NODE, pod, replicaSet } from "./objects.ts";

/** Writes objects as an actor would and collects what the invariants say. */
class Scene {
  readonly verifier = new Verifier();

  write(actor: string, ...objects: KubernetesObject[]): string[] {
    const before = this.verifier.revision;
    const headers = { actor, replica: "r", trace: "t", cause: 0 };
    const commit = objects.map((object, index): Version => {
      const more = index < objects.length - 1;
      const value = encodeObject(object);
      return {
        key: keyOfObject(object),
        value,
        revision: before + index + 1,
        headers,
        time: 0,
        more,
      };
    });
    const { violations } = this.verifier.next(commit, () => before);
    return violations.map(({ message }) => message);
  }
}

const ending = { deletionTimestamp: "2026-01-01T00:00:00Z" };

describe("the invariants", () => {
  it("find a pod too many", () => {
    const scene = new Scene();
    expect(scene.write("deployment", replicaSet("a", 1))).toEqual([]);
    expect(scene.write("replicaset", pod("a-1", "a"))).toEqual([]);
    const [message] = scene.write("replicaset", pod("a-2", "a"));
    expect(message).toContain("asks for 1 pods, has 2");
  });

  it("find a pod deleted that is asked for", () => {
    const scene = new Scene();
    scene.write("user", replicaSet("a", 1), pod("a-1", "a"));
    const [message] = scene.write("replicaset", pod("a-1", "a", { meta: ending }));
    expect(message).toContain("asks for 1 pods, was cut to 0");
    // A person may.
    scene.write("replicaset", pod("a-2", "a"));
    expect(scene.write("user", pod("a-2", "a", { meta: ending }))).toEqual([]);
  });

  it("find a rollout beyond its surge", () => {
    const scene = new Scene();
    const web = deployment(2, { maxSurge: 1, maxUnavailable: 0 });
    scene.write("user", web, replicaSet("a", 2));
    expect(scene.write("deployment", replicaSet("b", 1))).toEqual([]);
    const [message] = scene.write("deployment", replicaSet("b", 2));
    expect(message).toContain("may have 3 pods, asks for 4");
  });

  it("find a rollout that takes away what must stay available", () => {
    const scene = new Scene();
    const web = deployment(2, { maxSurge: 1, maxUnavailable: 1 });
    const pods = [pod("a-1", "a"), pod("a-2", "a")];
    scene.write("user", web, replicaSet("a", 2, 2), ...pods);
    expect(scene.write("deployment", replicaSet("a", 1, 2))).toEqual([]);
    const [message] = scene.write("deployment", replicaSet("a", 0, 2));
    expect(message).toContain("must keep 1 pods available, keeps 0 of 1");
  });

  it("find a pod that moves, and a node that is filled beyond its room", () => {
    const scene = new Scene();
    scene.write("user", NODE, replicaSet("a", 5), pod("a-1", "a"), pod("a-2", "a"));
    expect(scene.write("scheduler", pod("a-1", "a", { node: "n1" }))).toEqual([]);
    const [full] = scene.write("scheduler", pod("a-2", "a", { node: "n1" }));
    expect(full).toContain("Node n1 is filled beyond its cpu");
    const [moved] = scene.write("scheduler", pod("a-1", "a", { node: "n2" }));
    expect(moved).toContain("bound to n1 and then to n2");
  });

  it("find what a user wrote and somebody has undone", () => {
    const scene = new Scene();
    const marked = { annotations: { [`${USER_MARK}1`]: "done" } };
    scene.write("user", replicaSet("a", 5), pod("a-1", "a", { meta: marked }));
    const [message] = scene.write("kubelet", pod("a-1", "a"));
    expect(message).toContain(`has lost ${USER_MARK}1`);
  });

  it("find a deletion that is taken back, and another object under the same name", () => {
    const scene = new Scene();
    scene.write("user", replicaSet("a", 5), pod("a-1", "a", { meta: ending }));
    expect(scene.write("kubelet", pod("a-1", "a"))).toHaveLength(1);
    expect(scene.write("kubelet", pod("a-1", "a", { meta: { uid: "other" } }))).toHaveLength(1);
  });

  it("find what is left of owners and namespaces that are gone", () => {
    const scene = new Scene();
    scene.write("user", pod("a-1", "a"));
    expect(danglingObjects(scene.verifier.state)).toEqual([
      "Pod default/a-1: its owner a does not exist",
      "Pod default/a-1: its namespace is gone",
    ]);
  });
});
