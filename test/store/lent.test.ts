import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeObject } from "../../shared/api/encode.ts";
import type { KubernetesObject } from "../../shared/api/object.ts";
import { MemoryStore } from "../../shared/store/memory.ts";
import { Projection, type ProjectionOptions } from "../../shared/store/projection.ts";
import { HEADERS, testRuntime } from "./harness.ts";

const KEY = "pods/a/p";

function podOf(content: unknown): KubernetesObject {
  const metadata = { name: "p", namespace: "a", labels: { app: "web" } };
  return { kind: "Pod", apiVersion: "v1", metadata, spec: { content } } as KubernetesObject;
}

async function following(options: Partial<ProjectionOptions> = {}) {
  const store = new MemoryStore(testRuntime);
  const projection = new Projection({ runtime: testRuntime, ...options });
  await projection.follow(store);
  const commit = async (value: Buffer) => {
    const [revision = 0] = await store.commit([{ key: KEY, value }], HEADERS);
    await projection.waitFor(revision, 1000);
    return projection.get(KEY)?.object as KubernetesObject;
  };
  return { projection, commit };
}

describe("an object that is lent to a projection", () => {
  it("is taken over with the value that it was encoded to, frozen whole", async () => {
    const { projection, commit } = await following();
    const object = podOf([{ deep: {} }]);
    const value = encodeObject(object);
    projection.lend(KEY, value, object);
    const taken = await commit(value);
    expect(taken.spec).toBe(object["spec"]);
    expect(taken.metadata.resourceVersion).toBe("1");
    expect(Object.isFrozen(object["spec"].content[0].deep)).toBe(true);
    expect(Object.isFrozen(taken) && Object.isFrozen(taken.metadata)).toBe(true);
  });

  it("is left alone when another value comes, and when it is taken back", async () => {
    const { projection, commit } = await following();
    const object = podOf(1);
    const value = encodeObject(object);
    projection.lend(KEY, value, object);
    expect((await commit(encodeObject(podOf(2)))).spec).toEqual({ content: 2 });
    expect((await commit(value)).spec).not.toBe(object["spec"]);
    projection.lend(KEY, value, object);
    projection.takeBack(KEY, encodeObject(object)); // of another write
    projection.takeBack(KEY, value);
    expect((await commit(value)).spec).not.toBe(object["spec"]);
    expect(Object.isFrozen(object["spec"])).toBe(false);
  });

  it("is not taken over where bytes are changed, or nothing is frozen", async () => {
    for (const options of [{ lean: true }, { freeze: false }]) {
      const { projection, commit } = await following(options);
      const object = podOf(1);
      const value = encodeObject(object);
      projection.lend(KEY, value, object);
      expect((await commit(value)).spec).not.toBe(object["spec"]);
    }
  });

  it("shows just what its bytes say, whatever it holds", async () => {
    const odd = fc.constantFrom(undefined, Number.NaN, -0, new Date(0), [undefined], {
      a: undefined,
    });
    const content = fc.oneof(odd, fc.jsonValue(), fc.dictionary(fc.string(), odd));
    await fc.assert(
      fc.asyncProperty(content, content, async (inner, outer) => {
        const { projection, commit } = await following();
        const object = { ...podOf(inner), status: outer } as KubernetesObject;
        (object.metadata as unknown as Record<string, unknown>)["annotations"] = outer;
        const value = encodeObject(object);
        projection.lend(KEY, value, object);
        const taken = await commit(value);
        const bytes = projection.get(KEY)?.bytes as Buffer;
        expect(taken).toStrictEqual(JSON.parse(bytes.toString()));
        expect(Object.keys(taken)).toEqual(Object.keys(JSON.parse(bytes.toString())));
      }),
    );
  });
});
