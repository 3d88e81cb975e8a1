import { connect } from "../../nats/connect.ts";
import { openStore } from "../../nats/store.ts";
import { testRuntime, value } from "./harness.ts";

/**
 * The victim of kill.test.ts: commits plans of many writes, several at a time, for as long as it
 * lives, and prints a line for each that was acknowledged.
 */
const [url = "", life = "", halfway = ""] = process.argv.slice(2);
const connection = await connect({
  url,
  user: "apiserver",
  password: "apiserver-password",
  name: "victim",
});
const store = await openStore(connection, testRuntime, { name: "cluster", durability: "strict" });

/** Lets half of the first batch out, waits until it has arrived, and dies. */
function dieHalfway(): void {
  const { nats } = connection;
  const publish = nats.publish.bind(nats);
  let published = 0;
  nats.publish = (subject, data, options) => {
    if (!subject.startsWith("$KV.cluster.")) return publish(subject, data, options);
    published += 1;
    if (published <= 20) publish(subject, data, options);
    if (published === 20) void nats.flush().then(() => process.kill(process.pid, "SIGKILL"));
  };
}

async function lane(index: number): Promise<void> {
  for (let round = 0; ; round += 1) {
    const trace = `${life}-${index}-${round}`;
    const writes = Array.from({ length: 40 }, (_, each) => ({
      key: `pods/${trace}/p-${each}`,
      value: value("x".repeat(2_000)),
      expect: 0,
    }));
    const headers = { actor: "victim", replica: life, trace, cause: 0 };
    const revisions = await store.commit(writes, headers);
    process.stdout.write(`${trace} ${revisions[0]}\n`);
  }
}

process.stdout.write("ready\n");
if (halfway) dieHalfway();
await Promise.all([0, 1, 2, 3].map(lane));
