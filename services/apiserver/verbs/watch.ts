import { failure, internalError, StatusError } from "../../../shared/api/errors.ts";
import type { KindTable } from "../../../shared/api/schema.ts";
import type { Cancel } from "../../../shared/runtime/runtime.ts";
import { CompactedError, type Revision } from "../../../shared/store/store.ts";
import type { Change, Entry } from "../../../shared/store/view.ts";
import { type EngineContext, type Log, logOfTable, storedResource } from "../context.ts";
import type { Stretch } from "../earlier.ts";
import { negotiate } from "../negotiate.ts";
import { type ListOptions, listOptions } from "../options.ts";
import type { ResourceRequest, WatchResponse, WatchSink, WatchStop } from "../request.ts";
import { candidates, type Selection, selected, selectionOf } from "../select.ts";
import { Frames } from "../watch/frames.ts";
import { type SelectedChange, typeFor } from "../watch/hub.ts";
import { Outbox } from "../watch/outbox.ts";
import { atLeast, parseVersion } from "./get.ts";

/** Without timeoutSeconds a watch ends after half an hour to an hour, as upstream's do. */
const TIMEOUT_SECONDS_MIN = 1800;
const BOOKMARK_EVERY_MS = 60_000;
/** Frames of the initial state are written in chunks of about this size. */
const CHUNK_BYTES = 64 * 1024;

/** GET with watch=true: the changes of what is selected, until the client or the time ends it. */
export async function watch(
  context: EngineContext,
  request: ResourceRequest,
): Promise<WatchResponse> {
  const form = negotiate(request);
  const options = listOptions(request);
  const { table, namespace, name } = request;
  const byName = name ? `metadata.name=${name}` : "";
  const fields = [options.fieldSelector, byName].filter((part) => part !== "").join(",");
  const selection = selectionOf(table, namespace, options.labelSelector, fields);
  const log = logOfTable(context, table);
  const { clock } = context.runtime;
  const frames = new Frames(table, form, () => clock.now());
  const version = options.resourceVersion;
  const from = version === "" ? 0 : parseVersion(version);
  // What goes wrong from here on is an ERROR event, not an answer of its own, as upstream.
  const failed = await waitUntilFresh(log, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  const missed = await missedBy(log, table, options, from);
  const state = failed ? undefined : await stateOf(context, log, selection, options, from);
  const start = (sink: WatchSink): WatchStop => {
    const session = new WatchSession(context, log, selection, frames, options, sink);
    if (failed instanceof StatusError) session.fail(failed);
    else if (failed !== undefined) throw failed;
    else session.begin(from, missed, state);
    return session;
  };
  const contentType = "application/json";
  return { type: "watch", contentType, start };
}

/** A watch that begins with the state waits for it as a list does; others begin at once. */
async function waitUntilFresh(log: Log, options: ListOptions): Promise<void> {
  const { resourceVersion, sendInitialEvents } = options;
  if (sendInitialEvents === true || resourceVersion === "") await atLeast(log, resourceVersion);
}

/** What is there at a revision, and is selected. */
interface State {
  readonly revision: Revision;
  readonly entries: readonly Entry[];
}

/** What the watch begins with; undefined: with what changes. */
async function stateOf(
  { slices }: EngineContext,
  { projection }: Log,
  selection: Selection,
  { sendInitialEvents }: ListOptions,
  from: Revision,
): Promise<State | undefined> {
  if (!(sendInitialEvents ?? from === 0)) return undefined;
  const { revision } = projection;
  return {
    revision,
    entries: await selected(candidates(projection, selection), selection, slices),
  };
}

/** What happened above the revision before this replica began; undefined: the log forgot it. */
async function missedBy(
  log: Log,
  table: KindTable,
  { sendInitialEvents }: ListOptions,
  from: Revision,
): Promise<Stretch | undefined> {
  if (sendInitialEvents === true || from === 0) return undefined;
  try {
    return await log.earlier.since(storedResource(table), from);
  } catch {
    return undefined;
  }
}

class WatchSession implements WatchStop {
  readonly #context: EngineContext;
  readonly #log: Log;
  readonly #selection: Selection;
  readonly #frames: Frames;
  readonly #options: ListOptions;
  readonly #sink: WatchSink;
  readonly #outbox: Outbox;
  readonly #cancels: Cancel[] = [];
  #first = true;
  #ended = false;
  /** Changes up to here are part of what was sent at the beginning. */
  #begunAt: Revision = 0;

  constructor(
    context: EngineContext,
    log: Log,
    selection: Selection,
    frames: Frames,
    options: ListOptions,
    sink: WatchSink,
  ) {
    this.#context = context;
    this.#log = log;
    this.#selection = selection;
    this.#frames = frames;
    this.#options = options;
    this.#sink = sink;
    this.#outbox = new Outbox(sink, context.runtime, () => this.#tooSlow());
  }

  /** `missed`: changes before those that the projection has. */
  begin(from: Revision, missed: Stretch | undefined, state: State | undefined): void {
    try {
      if (state) this.#beginWithState(state);
      else this.#beginWithChanges(from, missed);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
      const message = `too old resource version: ${from} (${this.#log.projection.oldest})`;
      this.fail(failure(410, "Expired", message));
      return;
    }
    const { watches } = this.#log;
    this.#cancels.push(watches.subscribe(this.#selection, (change) => this.#changed(change)));
    this.#startTimers();
  }

  /** Sends the failure as the only event. */
  fail(error: StatusError): void {
    this.#sink.write(this.#frames.error(error.body));
    this.#end();
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outbox.close();
    for (const cancel of this.#cancels) cancel();
  }

  #end(): void {
    if (this.#ended) return;
    this.stop();
    this.#sink.end();
  }

  #beginWithState({ revision, entries }: State): void {
    this.#outbox.begin(this.#stateFrames(entries, revision));
    this.#beginAfter(revision);
  }

  *#stateFrames(entries: readonly Entry[], revision: Revision): Iterable<Uint8Array> {
    let chunk: Buffer[] = [];
    let bytes = 0;
    for (const entry of entries) {
      const frame = this.#frames.added(entry, this.#first);
      this.#first = false;
      chunk.push(frame);
      bytes += frame.length;
      if (bytes < CHUNK_BYTES) continue;
      yield Buffer.concat(chunk);
      chunk = [];
      bytes = 0;
    }
    const { sendInitialEvents, allowWatchBookmarks } = this.#options;
    if (sendInitialEvents && allowWatchBookmarks) {
      chunk.push(this.#frames.bookmark(revision, true));
    }
    if (chunk.length > 0) yield Buffer.concat(chunk);
  }

  #beginWithChanges(from: Revision, earlier: Stretch | undefined): void {
    const { sendInitialEvents } = this.#options;
    for (const change of earlier?.changesSince(from) ?? []) this.#missed(change);
    const known = earlier?.upTo ?? from;
    const now = sendInitialEvents === false && from === 0;
    this.#beginAfter(now ? this.#log.projection.revision : known);
  }

  #beginAfter(known: Revision): void {
    const { projection } = this.#log;
    const resource = storedResource(this.#selection.table);
    // A revision that is not here yet: what comes up to it is left out.
    this.#begunAt = Math.max(known, projection.revision);
    const missed = projection.revision > known ? projection.changesSince(known, resource) : [];
    for (const change of missed) this.#missed(change);
  }

  #missed(change: Change): void {
    const type = typeFor(this.#selection, change);
    if (type === undefined) return;
    this.#send({ type, change, shared: (_, encode) => encode() });
  }

  #changed(selected: SelectedChange): void {
    if (selected.change.revision <= this.#begunAt) return;
    try {
      this.#send(selected);
    } catch (error) {
      // One watch that cannot be told of a change ends; the others and the projection go on.
      this.#context.logger.error({ err: error }, "a change could not be encoded");
      this.fail(internalError("the change could not be encoded"));
    }
  }

  #send(selected: SelectedChange): void {
    this.#outbox.push(this.#frames.event(selected, this.#first));
    this.#first = false;
  }

  #startTimers(): void {
    if (this.#ended) return;
    const { timers, random } = this.#context.runtime;
    const jitter = random.stream("apiserver/watch").integer(TIMEOUT_SECONDS_MIN);
    const seconds = this.#options.timeoutSeconds || TIMEOUT_SECONDS_MIN + jitter;
    this.#cancels.push(
      timers.after(seconds * 1000, () => {
        this.#bookmark();
        this.#end();
      }),
      timers.every(BOOKMARK_EVERY_MS, () => this.#bookmark()),
    );
  }

  #bookmark(): void {
    if (!this.#options.allowWatchBookmarks || !this.#outbox.idle) return;
    const { revision } = this.#log.projection;
    // A revision that the client asked for and that is not here yet: nothing to promise.
    if (revision < this.#begunAt) return;
    this.#outbox.push(this.#frames.bookmark(revision, false));
  }

  #tooSlow(): void {
    const { plural, group } = this.#selection.table;
    this.#context.logger.warn({ resource: plural, group }, "a watch is ended: its client is slow");
    this.#end();
  }
}
