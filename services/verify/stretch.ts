import { type History, readVersions } from "../../shared/log/history.ts";
import type { Revision, Version } from "../../shared/store/store.ts";
import { Snapshots } from "./snapshots.ts";
import { Verifier, type Violation } from "./verifier.ts";

/**
 * Checks every commit above `from` and at or below `to`; answers with what can take the next ones.
 * @throws CompactedError, FutureRevisionError
 */
export async function verifyStretch(
  history: History,
  { from, to }: { readonly from: Revision; readonly to: Revision },
  onViolation: (violation: Violation) => void,
): Promise<{ readonly verifier: Verifier; readonly snapshots: Snapshots }> {
  const log = history.logs.cluster;
  const begin = from === 0 ? [] : (await log.list("", from)).versions;
  const verifier = new Verifier({ revision: from, versions: begin });
  const snapshots = new Snapshots(history);
  const first = await history.version(from + 1);
  const last = await history.version(to);
  // Without a time the records are few: the stretch is empty, or it is a file.
  await snapshots.read(first?.time ?? last?.time ?? 0, last?.time ?? first?.time ?? 0);
  let commit: Version[] = [];
  await readVersions(log, { after: from, to }, (version) => {
    commit.push(version);
    if (version.more && version.revision < to) return;
    for (const violation of verifier.next(commit, (trace) => snapshots.of(trace)).violations) {
      onViolation(violation);
    }
    commit = [];
  });
  return { verifier, snapshots };
}
