/**
 * A process that sends and prints what came of it, one line of JSON each. Runs on Deno and,
 * bundled, on Node.
 *
 * `crowded URL...`: to each URL twice, first without a file left, then with files.
 * `idle URL URL`: ten requests at once to the first, and without a file left two to the other, one
 * after the other.
 * `get URL`: one GET, with the body it was answered.
 */

import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { type AnswerSink, Sender } from "../../lib/http/sender.ts";
import { thisRuntime } from "../../lib/runtime/this.ts";

const [mode, ...urls] = process.argv.slice(2);
const sender = new Sender(thisRuntime(), {
  of: () => ({ timeoutMs: 10_000, onStatus: new Map() }),
});

function post(url: string) {
  return sender.send({ url: new URL(url), method: "POST", headers: [], body: "{}" }, "id");
}

/** Run with as many files open as the system allows. */
async function withoutFiles<T>(work: () => Promise<T>): Promise<T> {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync("/dev/null", "r"));
  } catch {
    // none left
  }
  try {
    return await work();
  } finally {
    for (const file of files) closeSync(file);
  }
}

/** Loads what looking up a name needs, as in a process that has run for a while. */
async function lookUp() {
  await post(`http://localhost:${new URL(urls[0]!).port}/before`);
}

async function crowded() {
  await lookUp();
  const attempts = [];
  for (const url of urls) {
    attempts.push(await withoutFiles(() => post(url)));
    attempts.push(await post(url));
  }
  return attempts;
}

async function idle() {
  const [idle, other] = urls as [string, string];
  await lookUp();
  await Promise.all(Array.from({ length: 10 }, () => post(idle)));
  return await withoutFiles(async () => [await post(other), await post(other)]);
}

async function get() {
  let body = "";
  const sink: AnswerSink = {
    write: (bytes) => void (body += String.fromCharCode(...bytes)),
  };
  const request = { url: new URL(urls[0]!), method: "GET", headers: [], body: undefined };
  const attempt = await sender.send(request, "id", sink);
  return [{ ...attempt, body }];
}

const lines = await (mode === "get" ? get() : mode === "idle" ? idle() : crowded());
sender.close();
process.stdout.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
