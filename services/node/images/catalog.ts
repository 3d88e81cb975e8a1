import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { type Command, must } from "../command.ts";
import { buildImage, buildLayer, type Image, type LayerEntry } from "./image.ts";
import { PAUSE_SCRIPT, pauseProgram } from "./pause.ts";

/** The registry name under which images built here are known. No such host exists. */
export const LOCAL_REGISTRY = "registry.local";
export const PAUSE_IMAGE = `${LOCAL_REGISTRY}/pause:3.9`;
export const WEB_IMAGE = `${LOCAL_REGISTRY}/coxswain/web:1.0`;
export const BUSYBOX_IMAGE = `${LOCAL_REGISTRY}/busybox:1.35`;

/** Grows with every change of the recipes below, so that stored images are built again. */
const RECIPE_VERSION = 1;
const BUSYBOX_PLACES = ["/usr/bin/busybox", "/bin/busybox"];
const NOBODY = "65535:65535";
const WEB_USER = 1000;

/** Where the machine's static busybox is (Debian: busybox-static), or undefined. */
export function findBusybox(): string | undefined {
  return BUSYBOX_PLACES.find((place) => existsSync(place) && isStatic(readFileSync(place)));
}

const INTERPRETER = 3;

/** Whether a 64-bit ELF program runs without libraries: it asks for no interpreter. */
export function isStatic(elf: Buffer): boolean {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2) return false;
  const at = Number(elf.readBigUInt64LE(32));
  const size = elf.readUInt16LE(54);
  const count = elf.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => at + index * size).every(
    (place) => place + 4 <= elf.length && elf.readUInt32LE(place) !== INTERPRETER,
  );
}

/** Names the recipes and what goes into them: equal names, equal images. */
export function recipeName(busybox: Buffer): string {
  const hash = createHash("sha256").update(busybox).digest("hex").slice(0, 16);
  return `${RECIPE_VERSION}-${process.arch}-${hash}`;
}

/** Builds every image of the catalog. @returns them by full name. */
export async function buildCatalog(
  command: Command,
  busyboxPath: string,
): Promise<Map<string, Image>> {
  const busybox = readFileSync(busyboxPath);
  const applets = (await must(command, busyboxPath, ["--list"])).trim().split("\n").sort();
  const base = await buildLayer(busyboxEntries(busybox, applets));
  const images = new Map<string, Image>();
  images.set(BUSYBOX_IMAGE, buildImage([base], { command: ["sh"] }));
  images.set(
    WEB_IMAGE,
    buildImage([base, await buildLayer(webEntries())], {
      entrypoint: ["/entry"],
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PORT=8080"],
      user: String(WEB_USER),
      workingDirectory: "/www",
      ports: ["8080/tcp"],
    }),
  );
  images.set(
    PAUSE_IMAGE,
    process.arch === "x64"
      ? buildImage([await buildLayer([{ path: "pause", content: pauseProgram(), mode: 0o755 }])], {
          entrypoint: ["/pause"],
          user: NOBODY,
        })
      : buildImage(
          [base, await buildLayer([{ path: "pause", content: PAUSE_SCRIPT, mode: 0o755 }])],
          { entrypoint: ["/pause"], user: NOBODY },
        ),
  );
  return images;
}

function busyboxEntries(busybox: Buffer, applets: readonly string[]): LayerEntry[] {
  const folders = ["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "usr", "var"];
  return [
    ...folders.map((path): LayerEntry => ({ path, folder: true })),
    { path: "tmp", folder: true, mode: 0o1777 },
    { path: "sbin", link: "bin" },
    { path: "usr/bin", link: "../bin" },
    { path: "usr/sbin", link: "../bin" },
    { path: "bin/busybox", content: busybox, mode: 0o755 },
    ...applets
      .filter((name) => name !== "busybox")
      .map((name): LayerEntry => ({ path: `bin/${name}`, link: "busybox" })),
    {
      path: "etc/passwd",
      content:
        "root:x:0:0:root:/root:/bin/sh\n" +
        "nobody:x:65534:65534:nobody:/home:/bin/false\n" +
        `web:x:${WEB_USER}:${WEB_USER}:web:/www:/bin/sh\n`,
    },
    { path: "etc/group", content: `root:x:0:\nnobody:x:65534:\nweb:x:${WEB_USER}:\n` },
    { path: "etc/nsswitch.conf", content: "passwd: files\ngroup: files\nhosts: files dns\n" },
  ];
}

/** The shell is process 1 and has to pass signals on: the kernel drops those that 1 ignores. */
const WEB_ENTRY = `#!/bin/sh
[ $# -eq 0 ] || exec "$@"
httpd -f -v -p "$PORT" -h /www &
server=$!
trap 'kill -TERM $server' TERM INT
wait $server
exit 0
`;

const WEB_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Coxswain</title></head>
<body><h1>Hello from Coxswain</h1><p>Served by busybox httpd.</p></body>
</html>
`;

const WEB_HOSTNAME = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hostname
`;

function webEntries(): LayerEntry[] {
  return [
    { path: "entry", content: WEB_ENTRY, mode: 0o755 },
    { path: "www", folder: true, owner: WEB_USER },
    { path: "www/index.html", content: WEB_PAGE, owner: WEB_USER },
    { path: "www/cgi-bin", folder: true, owner: WEB_USER },
    { path: "www/cgi-bin/hostname", content: WEB_HOSTNAME, mode: 0o755, owner: WEB_USER },
  ];
}
