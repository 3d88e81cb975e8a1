import type { StatusBody } from "../../../shared/actor/api.ts";
import { internalError } from "../../../shared/api/errors.ts";
import { ERROR, RESIZE, STDERR, STDIN, STDOUT } from "../../../shared/streams/channels.ts";
import type { NodeStream } from "../../../shared/streams/stream.ts";
import type { ClientChannels } from "./client.ts";

/** Which channels of a remote command are in use, besides the error channel. */
export interface CommandIo {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The channels that a client opens for these options. */
export function channelsOf(io: CommandIo): number[] {
  const channels = [ERROR];
  if (io.stdin) channels.push(STDIN);
  if (io.stdout) channels.push(STDOUT);
  if (io.stderr && !io.tty) channels.push(STDERR);
  if (io.tty) channels.push(RESIZE);
  return channels;
}

/**
 * Carries a remote command's channels between the client and the node until the command is over or
 * one of the two is gone. The last thing that the client gets is the Status on the error channel.
 */
export async function relay(
  client: ClientChannels,
  stream: NodeStream,
  io: CommandIo,
): Promise<void> {
  void client.closed.then(() => stream.abort("the client is gone"));
  if (io.stdin) {
    void toNode(client, stream, STDIN).then(() => stream.closeChannel(STDIN));
  }
  if (io.tty) void toNode(client, stream, RESIZE);
  const output = [STDOUT, STDERR].map((channel) => toClient(stream, client, channel));
  const status = await lastOf(stream.read(ERROR));
  await Promise.all(output);
  void stream.end();
  const broken = await stream.closed;
  const failure = broken === undefined ? undefined : statusOfBreak(broken.message);
  const text = status ?? Buffer.from(JSON.stringify(failure ?? SUCCESS));
  await client.write(ERROR, text);
  client.closeChannel(ERROR);
  await client.close();
}

const SUCCESS = { metadata: {}, status: "Success" };

async function toNode(client: ClientChannels, stream: NodeStream, channel: number): Promise<void> {
  for await (const chunk of client.read(channel)) await stream.write(channel, chunk);
}

async function toClient(
  stream: NodeStream,
  client: ClientChannels,
  channel: number,
): Promise<void> {
  for await (const chunk of stream.read(channel)) await client.write(channel, chunk);
  client.closeChannel(channel);
}

/** All that arrives, in one piece; undefined when nothing does. */
async function lastOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer | undefined> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all.length === 0 ? undefined : Buffer.concat(all);
}

function statusOfBreak(message: string): StatusBody {
  return internalError(`error executing command in container: ${message}`).body;
}
