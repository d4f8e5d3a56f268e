/**
 * `consume --accept` can't be ended or filled from outside. The same at full size:
 * `tests/attack/accept.ts`.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { Acceptor, type AcceptorOptions } from "../../lib/accept/acceptor.ts";
import { EVENTS_PATH } from "../../lib/accept/endpoint.ts";
import { type Budget, ByteBudget } from "../../lib/store/budget.ts";
import { parseCommandLine } from "../../lib/cli/options.ts";
import { Queue } from "../../lib/queue/queue.ts";
import { denoRuntime } from "../../lib/runtime/deno.ts";
import { acceptRules } from "../support/accept_rules.ts";
import { startEndpoint } from "../support/endpoint.ts";
import { eventLine, linesOf, PROGRAM } from "../support/program.ts";
import { RawClient } from "../support/raw_client.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const FORWARD_TO = "https://logx.optimizely.com/v1/events";
const RULES = acceptRules(FORWARD_TO);

/** A budget that can be asked what is left, and waited for. */
class SeenBudget implements Budget {
  readonly #budget: ByteBudget;
  readonly #onChange = new Set<() => void>();
  left: number;

  constructor(bytes: number) {
    this.#budget = new ByteBudget(() => bytes);
    this.left = bytes;
  }

  take(bytes: number): boolean {
    const isTaken = this.#budget.take(bytes);
    if (isTaken) this.#change(-bytes);
    return isTaken;
  }

  give(bytes: number): void {
    this.#budget.give(bytes);
    this.#change(bytes);
  }

  /** Resolves once no more, or no less, than so many bytes are left. */
  async until(holds: (left: number) => boolean): Promise<void> {
    while (!holds(this.left)) {
      await new Promise<void>((resolve) => this.#onChange.add(resolve));
    }
  }

  #change(bytes: number): void {
    this.left += bytes;
    for (const resolve of this.#onChange) resolve();
    this.#onChange.clear();
  }
}

interface Bench extends AsyncDisposable {
  readonly base: string;
  readonly port: number;
  readonly troubles: string[];
  /** The status and `Retry-After` of a post. */
  post(body: BodyInit): Promise<[status: number, retryAfter: string | null]>;
  /** Send the head of a post and some of its body. */
  begin(announced: number | "chunked", sent: number): Promise<RawClient>;
}

async function bench(options: Partial<AcceptorOptions>): Promise<Bench> {
  const dir = await tempDir();
  const queue = await Queue.open(dir.path, denoRuntime(), { create: true });
  const troubles: string[] = [];
  const clients: RawClient[] = [];
  const acceptor = new Acceptor(queue, { hostname: "127.0.0.1", port: 0 }, {
    rules: () => RULES,
    maxBytes: 1_000_000,
    onRefused: (error) => troubles.push((error as Error).message),
    onTrouble: (error) => troubles.push((error as Error).message),
    ...options,
  });
  const { port, host } = new URL(acceptor.origin);
  return {
    base: dir.path,
    port: Number(port),
    troubles,
    async post(body) {
      const headers = { "content-type": "application/json" };
      const response = await fetch(acceptor.origin + EVENTS_PATH, {
        method: "POST",
        headers,
        body,
      });
      await response.body?.cancel();
      return [response.status, response.headers.get("retry-after")];
    },
    async begin(announced, sent) {
      const client = await RawClient.connect(Number(port));
      clients.push(client);
      await client.send(
        `POST /v1/events HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
          (announced === "chunked"
            ? "Transfer-Encoding: chunked\r\n\r\n"
            : `Content-Length: ${announced}\r\n\r\n`) +
          "x".repeat(sent),
      );
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
      await acceptor.stop(0, new AbortController().signal);
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("half-open connections beyond the limit of open files don't end the consumer, nor what it delivers and takes", async () => {
  await using dir = await tempDir();
  await using real = startEndpoint();
  const flags = "run --quiet --no-prompt --frozen -A";
  const options = ["--accept", "127.0.0.1:0", "--forward-to", real.url, "--threads", "4"];
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", `ulimit -n 100; exec "$0" ${flags} "$@"`, Deno.execPath(), PROGRAM],
      ...["--base-dir", dir.path, ...options],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = linesOf(child.stderr);
  const [, url] = / accepting url="([^"]+)"/.exec(await log.until(/ accepting .*\n/))!;
  const port = Number(new URL(url!).port);
  const stalled = await Promise.all(Array.from({ length: 140 }, async () => {
    const client = await RawClient.connect(port);
    await client.send("POST /v1/eve");
    return client;
  }));
  Deno.writeTextFileSync(`${dir.path}/tmp/one`, eventLine(real.url, { dropped: true }));
  Deno.renameSync(`${dir.path}/tmp/one`, `${dir.path}/new/one`);
  const ended = child.status.then(({ code }) => Promise.reject(new Error(`ended with ${code}`)));
  ended.catch(() => {});
  await Promise.race([real.arrived(1), ended]);
  for (const client of stalled) client.close();
  const headers = { "content-type": "application/json" };
  const posted = await fetch(url!, { method: "POST", body: '{"posted":true}', headers });
  assertEquals(posted.status, 204);
  await real.arrived(2);
  child.kill("SIGTERM");
  const rest = log.toEnd();
  assertEquals([(await child.status).code, await rest.then(() => "")], [0, ""]);
});

Deno.test("posts that never end share a budget of bytes: who comes then is told to come again", async () => {
  const memory = new SeenBudget(100_000);
  await using at = await bench({ memory });
  const stalled = [await at.begin(50_000, 49_999), await at.begin(50_000, 49_000)];
  await memory.until((left) => left === 0);
  const event = JSON.stringify({ text: "x".repeat(40_000) });
  assertEquals(await at.post(event), [503, "5"]);
  assertEquals(await at.post(new Blob([event]).stream()), [503, "5"]);
  assertEquals(at.troubles, ["no memory for all events that are being sent"]);
  for (const client of stalled) client.close();
  await memory.until((left) => left === 100_000);
  assertEquals(await at.post(event), [204, null]);
  assertEquals(namesIn(`${at.base}/new`).length, 1);
});

Deno.test("whatever becomes of a post, what it took of the budget is given back", async () => {
  const memory = new SeenBudget(3_000_000);
  await using at = await bench({ memory, limits: { silenceMs: 40 } });
  const long = "x".repeat(300_000);
  const statuses = [
    (await at.post(`{"text":"${long}"}`))[0],
    (await at.post(`{"text":"${long}`))[0],
    (await at.post(new Blob([`{"text":"${long.repeat(4)}"}`]).stream()))[0],
  ];
  assertEquals(statuses, [204, 400, 413]);
  assertEquals((await (await at.begin(300_000, 200_000)).toEnd()).slice(0, 12), "HTTP/1.1 408");
  (await at.begin(300_000, 200_000)).close();
  await memory.until((left) => left === 3_000_000);
});

Deno.test("heads alone take nothing of the budget; with its first piece a body takes all it announced", async () => {
  const memory = new SeenBudget(100_000);
  await using at = await bench({ memory });
  for (let n = 0; n < 5; n++) await at.begin(60_000, 10);
  assertEquals(await at.post("{}"), [204, null]);
  assertEquals(memory.left, 100_000);
  const client = await at.begin(60_000, 0);
  for (let n = 0; n < 40; n++) await client.send("x".repeat(500));
  await memory.until((left) => left < 100_000);
  assertEquals(memory.left, 40_000);
});

Deno.test("a body of unknown length is counted by what is kept, however small its chunks", async () => {
  const memory = new SeenBudget(100_000);
  await using at = await bench({ memory });
  const client = await at.begin("chunked", 0);
  for (let n = 0; n < 200; n++) await client.send(`FA\r\n${"x".repeat(250)}\r\n`);
  await memory.until((left) => left < 60_000);
  assertEquals(memory.left, 100_000 - 3 * 16 * 1_024);
});

Deno.test("long bodies leave room for short ones", async () => {
  const memory = new SeenBudget(1_024 * 1_024 + 100_000);
  await using at = await bench({ memory });
  await at.begin(100_000, 20_000);
  await memory.until((left) => left === 1_024 * 1_024);
  assertEquals(await at.post(JSON.stringify({ text: "x".repeat(100_000) })), [503, "5"]);
  assertEquals(await at.post(JSON.stringify({ text: "x".repeat(60_000) })), [204, null]);
});

Deno.test("a web page that points its own name at us reaches nothing", async () => {
  await using at = await bench({ names: ["events.example"] });
  const post = async (host: string) => {
    const client = await RawClient.connect(at.port);
    await client.send(
      `POST /v1/events HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
        "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    );
    const answer = await client.toEnd();
    client.close();
    return answer.slice(9, 12);
  };
  assertEquals(await post(`evil.example:${at.port}`), "421");
  assertEquals(await post(`127.0.0.1:${at.port + 1}`), "421");
  assertEquals(namesIn(`${at.base}/new`), []);
  assertEquals(await post(`localhost:${at.port}`), "204");
  assertEquals(await post("events.example"), "204");
});

Deno.test("--accept-host takes names and addresses, also several, and nothing else", () => {
  const names = (...hosts: string[]) => {
    const options = hosts.flatMap((host) => ["--accept-host", host]);
    const invocation = parseCommandLine(["--accept", "127.0.0.1:0", ...options]);
    return invocation.command === "consume" ? invocation.options.accept?.names : undefined;
  };
  assertEquals(names(), []);
  assertEquals(names("a.example,[::1]", "10.0.0.1"), ["a.example", "[::1]", "10.0.0.1"]);
  for (const wrong of ["a.example:80", "http://a.example", "*", "a,", "a b"]) {
    assertThrows(
      () => names(wrong),
      Error,
      "--accept-host must be a host name or an address",
      wrong,
    );
  }
  assertThrows(() => parseCommandLine(["--accept-host", "a"]), Error, "needs --accept");
});
