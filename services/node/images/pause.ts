/**
 * The program that holds a pod's namespaces: blocks every signal and waits for them one by one,
 * reaps children that were left to it (a pod may share its process namespace), and ends on SIGTERM
 * or SIGINT. Written as machine code, so that no compiler and no download is needed.
 */

/** Machine code with labels: numbers are bytes, the rest is resolved by `assemble`. */
type Item = number | { label: string } | { near: string } | { far: string };

const SYSCALL = [0x0f, 0x05];
const far = (label: string): Item => ({ far: label });
const near = (label: string): Item => ({ near: label });
const label = (name: string): Item => ({ label: name });

const X86_64: readonly Item[] = [
  // rt_sigprocmask(SIG_SETMASK, mask, NULL, 8)
  ...[0xb8, 14, 0, 0, 0], // mov eax, 14
  ...[0xbf, 2, 0, 0, 0], // mov edi, 2
  ...[0x48, 0x8d, 0x35, far("mask")], // lea rsi, [rip + mask]
  ...[0x31, 0xd2], // xor edx, edx
  ...[0x41, 0xba, 8, 0, 0, 0], // mov r10d, 8
  ...SYSCALL,
  label("next"), // rt_sigtimedwait(mask, NULL, NULL, 8)
  ...[0xb8, 128, 0, 0, 0], // mov eax, 128
  ...[0x48, 0x8d, 0x3d, far("mask")], // lea rdi, [rip + mask]
  ...[0x31, 0xf6], // xor esi, esi
  ...[0x31, 0xd2], // xor edx, edx
  ...[0x41, 0xba, 8, 0, 0, 0], // mov r10d, 8
  ...SYSCALL,
  ...[0x83, 0xf8, 17, 0x74, near("reap")], // SIGCHLD
  ...[0x83, 0xf8, 15, 0x74, near("exit")], // SIGTERM
  ...[0x83, 0xf8, 2, 0x75, near("next")], // anything but SIGINT
  label("exit"), // exit_group(0)
  ...[0xb8, 231, 0, 0, 0], // mov eax, 231
  ...[0x31, 0xff], // xor edi, edi
  ...SYSCALL,
  label("reap"), // wait4(-1, NULL, WNOHANG, NULL) until nobody is left
  ...[0xb8, 61, 0, 0, 0], // mov eax, 61
  ...[0x48, 0x83, 0xcf, 0xff], // or rdi, -1
  ...[0x31, 0xf6], // xor esi, esi
  ...[0xba, 1, 0, 0, 0], // mov edx, 1
  ...[0x45, 0x31, 0xd2], // xor r10d, r10d
  ...SYSCALL,
  ...[0x85, 0xc0, 0x7f, near("reap")], // more than 0: one was reaped
  ...[0xeb, near("next")],
  label("mask"),
  ...new Array<number>(8).fill(0xff),
];

function sizeOf(item: Item): number {
  if (typeof item === "number" || "near" in item) return 1;
  return "far" in item ? 4 : 0;
}

function assemble(items: readonly Item[]): Buffer {
  const places = new Map<string, number>();
  let size = 0;
  for (const item of items) {
    if (typeof item !== "number" && "label" in item) places.set(item.label, size);
    size += sizeOf(item);
  }
  const code = Buffer.alloc(size);
  let at = 0;
  for (const item of items) {
    const end = at + sizeOf(item);
    if (typeof item === "number") code.writeUInt8(item, at);
    else if ("near" in item) code.writeInt8(places.get(item.near)! - end, at);
    else if ("far" in item) code.writeInt32LE(places.get(item.far)! - end, at);
    at = end;
  }
  return code;
}

const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
const LOAD_ADDRESS = 0x400000;
const MACHINE_X86_64 = 62;

/** A static executable of one segment, readable and executable. */
function elf64(machine: number, code: Buffer): Buffer {
  const start = ELF_HEADER + PROGRAM_HEADER;
  const header = Buffer.alloc(start);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bit, little endian, version 1
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS + start), 24); // entry
  header.writeBigUInt64LE(BigInt(ELF_HEADER), 32); // program headers
  header.writeUInt16LE(ELF_HEADER, 52);
  header.writeUInt16LE(PROGRAM_HEADER, 54);
  header.writeUInt16LE(1, 56);
  const segment = header.subarray(ELF_HEADER);
  segment.writeUInt32LE(1, 0); // load
  segment.writeUInt32LE(5, 4); // read, execute
  segment.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 16);
  segment.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 24);
  segment.writeBigUInt64LE(BigInt(start + code.length), 32);
  segment.writeBigUInt64LE(BigInt(start + code.length), 40);
  segment.writeBigUInt64LE(4096n, 48);
  return Buffer.concat([header, code]);
}

/** The pause program for x86-64: about 220 bytes. */
export function pauseProgram(): Buffer {
  return elf64(MACHINE_X86_64, assemble(X86_64));
}

/** The same behaviour as a shell script, for machines without a hand-written program. */
export const PAUSE_SCRIPT = `#!/bin/sh
trap 'exit 0' TERM INT
while :; do
  sleep 2147483647 &
  wait $!
done
`;
