import fc from "fast-check";
import { expect, test } from "vitest";
import { StatusError } from "../../shared/api/errors.ts";
import { decodeProtobuf } from "../../shared/api/protobuf/decode.ts";

/** A message by its fields; a field that is a list of fields is a message, too. */
type Part = readonly [number: number, value: bigint | string | Uint8Array | readonly Part[]];

function message(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap(([number, value]) => {
      if (typeof value === "bigint") return [varint(BigInt(number * 8)), varint(value)];
      const bytes =
        typeof value === "string"
          ? Buffer.from(value)
          : value instanceof Uint8Array
            ? Buffer.from(value)
            : message(value);
      return [varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes];
    }),
  );
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

function body(apiVersion: string, kind: string, content: readonly Part[]): Buffer {
  const unknown: Part[] = [
    [
      1,
      [
        [1, apiVersion],
        [2, kind],
      ],
    ],
    [2, message(content)],
  ];
  return Buffer.concat([Buffer.from("k8s\0"), message(unknown)]);
}

test("zero values that JSON leaves out are left out, chosen ones stay", () => {
  const spec: Part[] = [
    [1, 0n], // replicas, chosen to be 0
    [5, 0n], // minReadySeconds, not set
    [
      2,
      [
        [
          1,
          [
            [1, "app"],
            [2, "web"],
          ],
        ],
      ],
    ],
  ];
  const metadata: Part[] = [
    [1, "web"],
    [2, ""],
    [3, ""],
    [7, 0n],
    [8, []],
  ];
  expect(
    decodeProtobuf(
      body("apps/v1", "Deployment", [
        [1, metadata],
        [2, spec],
        [3, []],
      ]),
    ),
  ).toEqual({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: { replicas: 0, selector: { matchLabels: { app: "web" } } },
  });
});

test("quantities, ports by number or name, bytes, embedded types, times", () => {
  const resources: Part[] = [
    [
      2,
      [
        [1, "cpu"],
        [2, [[1, "100m"]]],
      ],
    ],
  ];
  const probe = (port: Part[]): Part[] => [
    [
      1,
      [
        [
          2,
          [
            [1, "/"],
            [2, port],
          ],
        ],
      ],
    ],
  ];
  const env: Part[] = [
    [1, "KEY"],
    [
      3,
      [
        [
          4,
          [
            [1, [[1, "secret"]]],
            [2, "key"],
          ],
        ],
      ],
    ],
  ];
  const container: Part[] = [
    [1, "a"],
    [7, env],
    [8, resources],
    [
      10,
      probe([
        [1, 0n],
        [2, 8080n],
        [3, ""],
      ]),
    ],
    [
      11,
      probe([
        [1, 1n],
        [2, 0n],
        [3, "http"],
      ]),
    ],
  ];
  const volume: Part[] = [
    [1, "v"],
    [2, [[2, []]]],
  ];
  const toleration: Part[] = [
    [1, "x"],
    [5, -5n],
  ];
  const pod = decodeProtobuf(
    body("v1", "Pod", [
      [
        1,
        [
          [1, "p"],
          [
            9,
            [
              [1, 1_700_000_000n],
              [2, 0n],
            ],
          ],
        ],
      ],
      [
        2,
        [
          [1, volume],
          [2, container],
          [22, toleration],
        ],
      ],
    ]),
  );
  expect(pod.metadata).toEqual({ name: "p", deletionTimestamp: "2023-11-14T22:13:20Z" });
  expect(pod["spec"]).toEqual({
    volumes: [{ name: "v", emptyDir: {} }],
    containers: [
      {
        name: "a",
        env: [{ name: "KEY", valueFrom: { secretKeyRef: { name: "secret", key: "key" } } }],
        resources: { requests: { cpu: "100m" } },
        livenessProbe: { httpGet: { path: "/", port: 8080 } },
        readinessProbe: { httpGet: { path: "/", port: "http" } },
      },
    ],
    tolerations: [{ key: "x", tolerationSeconds: -5 }],
  });
  const secret = decodeProtobuf(
    body("v1", "Secret", [
      [
        2,
        [
          [1, "k"],
          [2, Uint8Array.of(0, 255)],
        ],
      ],
      [3, "Opaque"],
    ]),
  );
  expect(secret).toEqual({ apiVersion: "v1", kind: "Secret", data: { k: "AP8=" }, type: "Opaque" });
});

test("options of requests, and maps of lists", () => {
  const preconditions: Part[] = [[1, "uid-1"]];
  expect(
    decodeProtobuf(
      body("v1", "DeleteOptions", [
        [1, 0n],
        [2, preconditions],
        [5, "All"],
      ]),
    ),
  ).toEqual({
    apiVersion: "v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: 0,
    preconditions: { uid: "uid-1" },
    dryRun: ["All"],
  });
  const extra: Part[] = [
    [1, "scopes"],
    [
      2,
      [
        [1, "a"],
        [1, "b"],
      ],
    ],
  ];
  const review = body("authorization.k8s.io/v1", "SubjectAccessReview", [
    [
      2,
      [
        [3, "ann"],
        [5, extra],
      ],
    ],
  ]);
  expect(decodeProtobuf(review)["spec"]).toEqual({ user: "ann", extra: { scopes: ["a", "b"] } });
});

test("fields of newer clients are skipped; a key named __proto__ is a key", () => {
  const labels: Part[] = [
    [1, "__proto__"],
    [2, "x"],
  ];
  const decoded = decodeProtobuf(
    body("v1", "ConfigMap", [
      [
        1,
        [
          [1, "c"],
          [11, labels],
        ],
      ],
      [900, "new"],
    ]),
  );
  expect(Object.keys(decoded.metadata.labels ?? {})).toEqual(["__proto__"]);
  expect(decoded.metadata.name).toBe("c");
});

test.each([
  ["no envelope", Buffer.from("{}"), /not valid protobuf/],
  [
    "an unknown kind",
    body("v1", "Nonsense", []),
    /no kind "Nonsense" is registered for version "v1"/,
  ],
  ["a cut message", body("v1", "Pod", [[1, [[1, "p"]]]]).subarray(0, -1), /not valid protobuf/],
  ["a number for a text", body("v1", "Pod", [[1, [[1, 5n]]]]), /not valid protobuf/],
  ["a text for a message", body("v1", "Pod", [[1, "\xff\xff"]]), /not valid protobuf/],
])("%s is a bad request", (_, bytes, expected) => {
  expect(() => decodeProtobuf(bytes)).toThrow(StatusError);
  expect(() => decodeProtobuf(bytes)).toThrow(expected);
});

test("random bytes are an object or a bad request, nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const unknown: Part[] = [
        [
          1,
          [
            [1, "v1"],
            [2, "Pod"],
          ],
        ],
        [2, bytes],
      ];
      try {
        decodeProtobuf(Buffer.concat([Buffer.from("k8s\0"), message(unknown)]));
      } catch (error) {
        expect(error).toBeInstanceOf(StatusError);
      }
    }),
    { numRuns: 500 },
  );
});
