import type { Msg } from "nats";
import {
  CompactedError,
  FutureRevisionError,
  type Key,
  type Revision,
  type Version,
} from "../shared/store/store.ts";
import type { Connection } from "./connect.ts";
import { Headers, statusOf } from "./headers.ts";
import { directPosition, directStamp, directVersion, type Stamp } from "./message.ts";
import { ApiError, type Requests } from "./requests.ts";
import { keepsOnlyLast, type StreamInfo } from "./streams.ts";
import { keyOfSubject, type LogName, streamOf, subjectOfKey, subjectOfPrefix } from "./subjects.ts";

const READ_MS = 5_000;
/** Subjects per request; the server refuses to look for more than 1,024. */
const SUBJECTS_PER_READ = 500;

/** What the compactor keeps about a log, in the stream `compaction`. */
export interface CompactionMark {
  /** Reads below fail. */
  readonly compacted: Revision;
  /**
   * Up to here everything has been removed; below `compacted` after a compaction that broke off.
   */
  readonly removed: Revision;
  /** Sequence of the message that says so: the expectation for changing it. */
  readonly sequence: number;
}

/** Reads of one log's stream. */
export class Log {
  readonly name: LogName;
  readonly stream: string;
  readonly connection: Connection;
  readonly requests: Requests;

  constructor(name: LogName, connection: Connection, requests: Requests) {
    this.name = name;
    this.stream = streamOf(name);
    this.connection = connection;
    this.requests = requests;
  }

  info(filter?: { subjects_filter: string; offset: number }): Promise<StreamInfo> {
    return this.requests.api<StreamInfo>(`STREAM.INFO.${this.stream}`, filter);
  }

  async head(): Promise<Revision> {
    return (await this.info()).state.last_seq;
  }

  /** The last message of the key, deleted or not. */
  async last(key: Key): Promise<Version | undefined> {
    const message = await this.#direct({ last_by_subj: subjectOfKey(this.name, key) });
    return message && directVersion(message);
  }

  /** The version at exactly this revision; undefined when it is gone. */
  async versionAt(revision: Revision): Promise<Version | undefined> {
    // For the server, sequence 0 is no question at all.
    if (revision < 1) return undefined;
    const message = await this.#direct({ seq: revision });
    return message && directVersion(message);
  }

  /** Who wrote the last message of the key. */
  async lastStamp(key: Key): Promise<Stamp | undefined> {
    const message = await this.#direct({ last_by_subj: subjectOfKey(this.name, key) });
    return message && directStamp(message);
  }

  /** The first revision that the log took at or after the time; the next one when there is none. */
  async firstFrom(time: number): Promise<Revision> {
    const { state } = await this.info();
    const message = await this.#direct({
      start_time: new Date(time).toISOString(),
      next_by_subj: subjectOfPrefix(this.name, ""),
    });
    if (message === undefined) return state.last_seq + 1;
    return directPosition(new Headers(message)).sequence;
  }

  /** Who wrote the first message of the key at or above the sequence. */
  async nextStamp(key: Key, sequence: Revision): Promise<Stamp | undefined> {
    const message = await this.#direct({
      seq: Math.max(1, sequence),
      next_by_subj: subjectOfKey(this.name, key),
    });
    return message && directStamp(message);
  }

  /** The live versions of the keys with the prefix as of the revision, in key order. */
  async versionsAt(prefix: string, at: Revision): Promise<Version[]> {
    const subjects = await this.#subjects(prefix);
    const versions: Version[] = [];
    for (let start = 0; start < subjects.length; start += SUBJECTS_PER_READ) {
      const part = subjects.slice(start, start + SUBJECTS_PER_READ);
      versions.push(...(await this.lastUpTo(part, at)));
    }
    return versions.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** The live versions of these subjects as of the revision. */
  async lastUpTo(subjects: readonly string[], at: Revision): Promise<Version[]> {
    const versions: Version[] = [];
    // For the server, up to 0 means without a limit.
    let rest = at === 0 ? [] : [...subjects];
    while (rest.length > 0) {
      let pending = 0;
      const messages = await this.requests.requestMany(
        `$JS.API.DIRECT.GET.${this.stream}`,
        JSON.stringify({ multi_last: rest, up_to_seq: at }),
        {
          timeoutMs: READ_MS,
          last: (message) => {
            if (!isEnd(message)) return false;
            pending = Number(new Headers(message).get("Nats-Num-Pending") ?? 0);
            return true;
          },
        },
      );
      const seen = new Set<string>();
      for (const message of messages) {
        seen.add(directPosition(new Headers(message)).subject);
        const version = directVersion(message);
        if (version && version.value !== null) versions.push({ ...version, more: false });
      }
      // A large answer comes in parts; what is left is asked for again.
      if (pending === 0) break;
      if (messages.length === 0) throw new Error("the server did not send what it announced");
      rest = rest.filter((subject) => !seen.has(subject));
    }
    return versions;
  }

  /** How far the log is compacted, by its compactor and by the age of its messages. */
  async mark(): Promise<CompactionMark> {
    const message = await this.requests.request(
      "$JS.API.DIRECT.GET.compaction",
      JSON.stringify({ last_by_subj: `compaction.${this.name}` }),
      { timeoutMs: READ_MS },
    );
    if (isNotFound(message)) return { compacted: 0, removed: 0, sequence: 0 };
    const { compacted, removed } = JSON.parse(Buffer.from(message.data).toString());
    return { compacted, removed, sequence: directPosition(new Headers(message)).sequence };
  }

  /** The oldest revision that a watch can begin behind. */
  async oldest(info: StreamInfo): Promise<Revision> {
    const { compacted } = await this.mark();
    const aged = Number(info.config["max_age"] ?? 0) > 0 ? info.state.first_seq - 1 : 0;
    return Math.max(compacted, aged, 0);
  }

  /** @throws CompactedError, FutureRevisionError */
  async checkReadable(at: Revision): Promise<void> {
    const info = await this.info();
    if (at > info.state.last_seq) throw new FutureRevisionError(at, info.state.last_seq);
    const past = keepsOnlyLast(this.name) ? info.state.last_seq : await this.oldest(info);
    if (at < past) throw new CompactedError(at, past);
  }

  async #subjects(prefix: string): Promise<string[]> {
    const subjects: string[] = [];
    for (;;) {
      const info = await this.info({
        subjects_filter: subjectOfPrefix(this.name, prefix),
        offset: subjects.length,
      });
      const page = Object.keys(info.state.subjects ?? {});
      subjects.push(...page);
      if (page.length === 0 || subjects.length >= (info.total ?? 0)) break;
    }
    return subjects.filter((subject) => keyOfSubject(subject) !== undefined);
  }

  async #direct(request: Record<string, unknown>): Promise<Msg | undefined> {
    const message = await this.requests.request(
      `$JS.API.DIRECT.GET.${this.stream}`,
      JSON.stringify(request),
      { timeoutMs: READ_MS },
    );
    return isNotFound(message) ? undefined : message;
  }
}

/**
 * The end of an answer of several messages: an empty one with a status, 404 when none was found.
 */
function isEnd(message: Msg): boolean {
  const status = statusOf(message);
  if (status === 0) return false;
  if (status === 204 || status === 404) return true;
  throw refusal(message);
}

function isNotFound(message: Msg): boolean {
  const status = statusOf(message);
  if (status === 0) return false;
  if (status === 404) return true;
  throw refusal(message);
}

function refusal(message: Msg): ApiError {
  const { status, description } = new Headers(message);
  return new ApiError({ code: status, description });
}
