/** Holding and resuming a destination: what is on disk, and what running consumers make of it. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Disk, hold, openQueue, Queue, resume, status } from "../../mod.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { command, eventLine, linesOf, run } from "../support/program.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const FOLDER = "https_a.example_443";

/** A queue whose disk tells which verb is next, with the last part of its path. */
async function watchedQueue(base: string, onVerb: (call: string) => void): Promise<Queue> {
  await openQueue(base, { create: true });
  const runtime = denoRuntime();
  const disk = new Proxy(runtime.disk, {
    get(target, verb: keyof Disk) {
      const value = target[verb];
      if (typeof value !== "function") return value;
      return (path: string, ...rest: unknown[]) => {
        onVerb(`${verb} ${path.slice(base.length)}`);
        return Reflect.apply(value, target, [path, ...rest]);
      };
    },
  });
  return await Queue.open(base, { ...runtime, disk });
}

Deno.test("hold() makes .hold in the destination's folder, resume() removes it, and both may be repeated", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  const file = `${dir.path}/defer/${FOLDER}`;
  assertEquals(await hold(queue, "https://user:secret@A.example/v1?x"), {
    destination: FOLDER,
    changed: true,
  });
  assertEquals(namesIn(file), [".hold"]);
  assertEquals(await hold(queue, FOLDER), { destination: FOLDER, changed: false });
  assertEquals((await status(queue)).destinations.map(({ isHeld }) => isHeld), [true]);
  assertEquals(await resume(queue, FOLDER), { destination: FOLDER, changed: true });
  assertEquals(namesIn(file), []);
  assertEquals(await resume(queue, "https://a.example"), { destination: FOLDER, changed: false });
  assertEquals((await status(queue)).destinations, []);
});

Deno.test("resume() tells a destination without a folder, hold() one that only its folder could name", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  const hashed = "https____1__443_0123456789ab";
  assertEquals(await resume(queue, "https://b.example"), undefined);
  assertEquals(await hold(queue, hashed), undefined);
  assertEquals(namesIn(`${dir.path}/defer`), []);
  Deno.mkdirSync(`${dir.path}/defer/${hashed}`);
  assertEquals(await hold(queue, hashed), { destination: hashed, changed: true });
  assertEquals((await hold(queue, "http://[::1]:8080"))?.changed, true);
  await assertRejects(() => hold(queue, "../doa"), RangeError, "Cannot read the destination: ");
});

Deno.test("hold() and resume() are on stable storage on return", async () => {
  await using dir = await tempDir();
  const calls: string[] = [];
  const queue = await watchedQueue(dir.path, (call) => calls.push(call));
  calls.length = 0;
  await hold(queue, FOLDER);
  const created = calls.indexOf(`create /defer/${FOLDER}/.hold`);
  assert(created >= 0);
  const acts = (call: string) => !call.startsWith("lstat ");
  assertEquals(calls.slice(created + 1).filter(acts), [
    `syncDir /defer/${FOLDER}`,
    "syncDir /defer",
    "syncDir ",
  ]);
  await resume(queue, FOLDER);
  assertEquals(calls.filter(acts).slice(-2), [
    `remove /defer/${FOLDER}/.hold`,
    `syncDir /defer/${FOLDER}`,
  ]);
});

Deno.test("hold() and resume() stand a consumer that removes the empty folder in between", async () => {
  await using dir = await tempDir();
  const folder = `${dir.path}/defer/${FOLDER}`;
  let strikes = 2;
  const queue = await watchedQueue(dir.path, (call) => {
    if (call.startsWith("create ") && strikes-- > 0) Deno.removeSync(folder);
    if (call === `syncDir /defer/${FOLDER}` && namesIn(folder).length === 0) {
      Deno.removeSync(folder);
    }
  });
  assertEquals(await hold(queue, FOLDER), { destination: FOLDER, changed: true });
  assertEquals(namesIn(folder), [".hold"]);
  assertEquals(await resume(queue, FOLDER), { destination: FOLDER, changed: true });
  assertEquals(namesIn(`${dir.path}/defer`), []);
});

Deno.test("hold and resume say what they did, and never make a queue", async () => {
  await using dir = await tempDir();
  const base = `${dir.path}/queue`;
  const args = ["--base-dir", base, "https://a.example/v1"];
  assertEquals((await run(["hold", ...args])).code, 73);
  assertEquals(namesIn(dir.path), []);
  await openQueue(base, { create: true });
  const unknown = await run(["resume", ...args]);
  assertEquals([unknown.code, unknown.stdout], [65, ""]);
  assertStringIncludes(unknown.stderr, 'there is no folder in defer/ for "https://a.example/v1"');
  const said: string[] = [];
  for (const command of ["hold", "hold", "resume", "resume"]) {
    const { code, stdout, stderr } = await run([command, ...args]);
    assertEquals([code, stderr], [0, ""]);
    said.push(stdout);
  }
  assertEquals(said, [
    `${FOLDER} is held\n`,
    `${FOLDER} was held already\n`,
    `${FOLDER} is resumed\n`,
    `${FOLDER} was not held\n`,
  ]);
});

Deno.test("two consumers heed a hold while they run and after a restart, until it is resumed", async () => {
  await using dir = await tempDir();
  await using held = startEndpoint();
  await using other = startEndpoint();
  const base = ["--base-dir", dir.path];
  const folder = `http_127.0.0.1_${held.port}`;
  await openQueue(dir.path, { create: true });
  const start = () => {
    const child = command(["consume", ...base, "--poll", "20ms"]).spawn();
    return { child, log: linesOf(child.stderr) };
  };
  const stop = async ({ child, log }: ReturnType<typeof start>, signal: Deno.Signal) => {
    child.kill(signal);
    await Promise.all([child.status, child.stdout.cancel(), log.toEnd()]);
  };
  const isHeld = new RegExp(` lane ${folder.replaceAll(".", "\\.")} held\n`);
  const put = async (url: string, count: number) => {
    const input = Array.from({ length: count }, (_, n) => eventLine(url, n)).join("");
    assertEquals((await run(["client", ...base, "-"], input)).code, 0);
  };
  const waiting = async () => {
    const { ready, claimed, destinations } = JSON.parse(
      (await run(["status", ...base, "--json"])).stdout,
    );
    const { waiting } = destinations.find((one: { held: boolean }) => one.held);
    return ready + claimed === 0 ? waiting : undefined;
  };

  const running = [start(), start()];
  await Promise.all(running.map(({ log }) => log.until(/ started /)));
  await put(held.url, 1);
  await held.arrived(1);
  assertEquals((await run(["hold", held.url, ...base])).stdout, `${folder} is held\n`);
  await Promise.all(running.map(({ log }) => log.until(isHeld)));
  await put(held.url, 20);
  await put(other.url, 5);
  await other.arrived(5);
  while (await waiting() !== 20);
  await stop(running[0]!, "SIGKILL");
  await stop(running[1]!, "SIGTERM");

  const restarted = [start(), start()];
  await Promise.all(restarted.map(({ log }) => log.until(isHeld)));
  await put(held.url, 5);
  while (await waiting() !== 25);
  const ended = await run([...base, "--until-empty"]);
  assertEquals(ended.code, 75);
  assertMatch(ended.stderr, / ended delivered=0 .* left=held\n$/);
  assertMatch((await run(["status", ...base])).stdout, / 25 .* -  +held\n/);
  assertEquals(held.taken.length, 1);

  assertEquals((await run(["resume", folder, ...base])).stdout, `${folder} is resumed\n`);
  await held.arrived(26);
  assertEquals((await run([...base, "--until-empty"])).code, 0);
  for (const one of restarted) await stop(one, "SIGTERM");
  assertEquals(held.taken.length, 26);
  assertEquals(namesIn(`${dir.path}/doa`), []);
});

/** A port nobody listens on. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("a destination that is down is in status with its error, until it answers again", async () => {
  await using dir = await tempDir();
  const port = freePort();
  const base = ["--base-dir", dir.path];
  const folder = `http_127.0.0.1_${port}`;
  const url = `http://127.0.0.1:${port}`;
  const input = Array.from({ length: 10 }, (_, n) => eventLine(url, n)).join("");
  await run(["client", ...base, "-"], input);
  const child = command(["consume", ...base, "--poll", "20ms", "--log-format", "json"]).spawn();
  const log = linesOf(child.stderr);
  await log.until(/"change":"opened"/);
  const find = async () => {
    const { destinations } = JSON.parse((await run(["status", ...base, "--json"])).stdout);
    return destinations.find((one: { destination: string }) => one.destination === folder);
  };
  let found = await find();
  while (!found?.downSince) found = await find(); // the line is written before the mark
  assertEquals(found.lastError, `connection refused by 127.0.0.1:${port}`);
  assert(Math.abs(Date.parse(found.downSince) - Date.now()) < 60_000);
  assertMatch(
    (await run(["status", ...base])).stdout,
    / down\n {2}down since \S+Z \(\d+s\): connection refused by 127\.0\.0\.1:\d+\n/,
  );
  const answer = () => new Response(null, { status: 204 });
  await using _server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, answer);
  await log.until(/"change":"recovered"/);
  assertEquals((await run([...base, "--until-empty"])).code, 0);
  child.kill("SIGTERM");
  await Promise.all([child.status, child.stdout.cancel(), log.toEnd()]);
  assertEquals(namesIn(`${dir.path}/defer`), []);
});

Deno.test("status() reads what is in a destination's folder, whoever put it there", async () => {
  await using dir = await tempDir();
  const queue = await openQueue(dir.path, { create: true });
  const nowMs = Date.now();
  const put = (destination: string, files: Readonly<Record<string, string>>) => {
    Deno.mkdirSync(`${dir.path}/defer/${destination}`);
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${dir.path}/defer/${destination}/${name}`, text);
    }
  };
  const mark = (since: number, error: string) =>
    JSON.stringify({ since: new Date(since).toISOString(), error });
  put("http_a_80", {
    [`.after@${nowMs - 1}`]: "",
    [`.after@${nowMs + 60_000}`]: "",
    [`.after@${nowMs + 30_000}`]: "",
    [`.after@${nowMs + 100 * 3_600_000}`]: "", // no clock can have set it
    "event": "",
  });
  put("http_b_80", {
    ".open~one-1-x": mark(nowMs - 50_000, "the first"),
    ".open~two-1-x": mark(nowMs - 10_000, "the latest"),
  });
  put("http_c_80", { ".open~one-1-x": "not JSON" });
  put("http_d_80", { ".hold": "", ".open~one-1-x": "[]", ".keep": "" });
  put("http_e_80", { ".keep": "" });
  const struggling = JSON.stringify({
    since: new Date(nowMs - 5_000).toISOString(),
    share: 0.25,
    error: "502",
  });
  put("http_f_80", {
    ".struggling~one-1-x": struggling,
    ".struggling~two-1-x": JSON.stringify({ share: 7 }),
    [`.away@${nowMs}`]: "",
  });
  const [a, b, c, d, f, ...others] = (await status(queue)).destinations;
  assertEquals(others, []);
  assertEquals([a!.throttledUntilMs, a!.nextAttemptMs], [nowMs + 60_000, nowMs + 60_000]);
  assertEquals([b!.downSinceMs, b!.lastError], [nowMs - 50_000, "the latest"]);
  assert(Math.abs(c!.downSinceMs! - nowMs) < 60_000);
  assertEquals([c!.lastError, c!.isHeld], ["unknown", false]);
  assertEquals([d!.lastError, d!.isHeld], ["unknown", true]);
  assertEquals([f!.downSinceMs, f!.strugglingShare, f!.strugglingSinceMs], [
    undefined,
    0.25,
    nowMs - 5_000,
  ]);
});
