/**
 * An application with an Optimizely SDK in it, run by `sdk_test.ts` under Node and Deno, with the
 * SDK and the packed package installed beside it: `producer.mjs <major> <close|exit> <users>
 * <batch> <base dir> <endpoint> <handed>`.
 *
 * Whatever the SDK hands to the dispatcher is noted in the file `handed` first, one body a line.
 */

import { appendFileSync, readFileSync } from "node:fs";
import process from "node:process";
import * as module from "@optimizely/optimizely-sdk";
import { createEventDispatcher } from "@optimizelyd/maildir";

const [major, ending, users, batch, baseDir, endpoint, handed] = process.argv.slice(2);
const sdk = module.createInstance ? module : module.default;
const datafile = readFileSync(new URL("optimizely-datafile.json", import.meta.url), "utf8");

const spool = createEventDispatcher({
  baseDir,
  onError(error) {
    console.error(error);
    process.exitCode = 1;
  },
});
const eventDispatcher = {
  dispatchEvent(event, callback) {
    appendFileSync(handed, `${JSON.stringify(event.params)}\n`);
    return spool.dispatchEvent({ ...event, url: endpoint }, callback);
  },
};

function createClient() {
  if (major !== "6") {
    return sdk.createInstance({
      datafile,
      eventDispatcher,
      eventBatchSize: Number(batch),
      logLevel: "error",
      odpOptions: { disabled: true },
    });
  }
  return sdk.createInstance({
    projectConfigManager: sdk.createStaticProjectConfigManager({ datafile }),
    eventProcessor: batch === "1"
      ? sdk.createForwardingEventProcessor(eventDispatcher)
      : sdk.createBatchEventProcessor({
        eventDispatcher,
        closingEventDispatcher: eventDispatcher,
        batchSize: Number(batch),
      }),
  });
}

const client = createClient();
await client.onReady();
for (let user = 0; user < Number(users); user++) {
  const context = client.createUserContext(`user-ünï-日本-😀-${user}`, { gender: "weiblich-ß" });
  context.decide("feature_1");
  context.trackEvent("event1", { revenue: user, note: "„ünï“\u2028" });
}
if (ending === "exit") process.exit(process.exitCode);
// Version 6 takes an event into its batch a moment later: what came in the same turn as close()
// would miss its last flush.
await new Promise((resolve) => setTimeout(resolve, 0));
await client.close();
console.log("closed");
process.exit(process.exitCode); // version 6 keeps a timer for the 30 seconds of onReady()
