/**
 * A process that has no files left: opens them until the system refuses, then sends one request to
 * each URL given and prints what came of it, one line of JSON each. Runs on Deno and, bundled, on
 * Node.
 */

import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { Sender } from "../../lib/http/sender.ts";
import { thisRuntime } from "../../lib/runtime/this.ts";

const sender = new Sender(thisRuntime(), { timeoutMs: 10_000, onStatus: new Map() });

function send(url: string) {
  const request = { url: new URL(url), method: "POST", headers: [], body: "{}" };
  return sender.send(request, "id");
}

// Loads what looking up a name needs, as in a process that has run for a while.
const [port] = process.argv.slice(2).map((url) => new URL(url).port);
await send(`http://localhost:${port}/before`);
const attempts = [];
for (const url of process.argv.slice(2)) {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync("/dev/null", "r"));
  } catch {
    // none left
  }
  attempts.push(await send(url));
  for (const file of files) closeSync(file);
  attempts.push(await send(url));
}
sender.close();
process.stdout.write(attempts.map((attempt) => `${JSON.stringify(attempt)}\n`).join(""));
