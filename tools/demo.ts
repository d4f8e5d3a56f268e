/**
 * The product in one screen: a sample queue, an endpoint, a consumer, and what came of it.
 *
 * `examples/queue/` is copied to a temporary directory; an endpoint listens on a free loopback
 * port; the program itself, as a child process that may touch nothing but that directory and that
 * port, delivers. What is shown is what is on the disk and what arrived. Exits with 0 only if that
 * is exactly what should be.
 *
 * @module
 */

import { join } from "@std/path";

const SAMPLE = new URL("../examples/queue/", import.meta.url);
const PROGRAM = new URL("../cli.ts", import.meta.url).href;

/** Where the sample events go; replaced by the endpoint's address. */
const SAMPLE_ORIGIN = "http://127.0.0.1:8080";

const WIDTH = 100;
const RATES = '{"EUR":1,"JPY":161.3,"USD":1.08}';
const COMPLAINT = "the member address is missing";

const useColors = Deno.stdout.isTerminal() && !Deno.noColor;
const paint = (code: number) => (text: string) => useColors ? `\x1b[${code}m${text}\x1b[0m` : text;
const [bold, dim, green, red] = [paint(1), paint(2), paint(32), paint(31)];

/** A request as it arrived, and the answer it got. */
interface Arrival {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly status: number;
}

/** A file as it was found. */
interface Found {
  readonly name: string;
  readonly text: string;
}

function print(line = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Cut to the width, one line. */
function fit(text: string, width: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}

function heading(title: string, what: string): void {
  print();
  print(`${bold(title.padEnd(8))} ${dim(fit(what, WIDTH - 9))}`);
}

/**
 * Copy the sample queue, its events addressed to `origin` and old enough not to look as if they
 * were still being written.
 */
async function copySample(base: string, origin: string): Promise<void> {
  for (const folder of ["tmp", "new", "cur", "doa", "res"]) await Deno.mkdir(join(base, folder));
  const names = (await list(new URL("new/", SAMPLE))).map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    const text = await Deno.readTextFile(new URL(`new/${name}`, SAMPLE));
    const path = join(base, "new", name);
    await Deno.writeTextFile(path, text.replace(SAMPLE_ORIGIN, origin));
    const droppedAt = new Date(Date.now() - 120_000 + index * 1_000);
    await Deno.utime(path, droppedAt, droppedAt);
  }
}

async function list(folder: string | URL): Promise<Found[]> {
  const found: Found[] = [];
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (!isFile || name.startsWith(".")) continue;
    const path = folder instanceof URL ? new URL(name, folder) : join(folder, name);
    found.push({ name, text: await Deno.readTextFile(path) });
  }
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** An endpoint on a free port that takes what it knows and refuses a sign-up without an address. */
function startEndpoint(arrivals: Arrival[]): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname: path } = new URL(request.url);
    const body = await request.text();
    const response = path === "/rates"
      ? new Response(RATES)
      : path === "/signups"
      ? new Response(COMPLAINT, { status: 400 })
      : new Response(null, { status: 204 });
    arrivals.push({ method: request.method, path, body, status: response.status });
    return response;
  });
}

/** The program, allowed to touch the queue and to reach the endpoint, and nothing else. */
async function consume(base: string, host: string): Promise<{ code: number; log: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "--allow-sys=hostname"],
      ...[`--allow-read=${base}`, `--allow-write=${base}`, `--allow-net=${host}`],
      ...[PROGRAM, "consume", "--base-dir", base, "--until-empty"],
    ],
    stdin: "null",
    stdout: "inherit",
  }).output();
  return { code, log: new TextDecoder().decode(stderr) };
}

function showEvents(events: readonly Found[]): void {
  for (const { name, text } of events) print(`  ${name.padEnd(16)} ${fit(text, WIDTH - 19)}`);
}

function showArrivals(arrivals: readonly Arrival[]): void {
  for (const { method, path, body, status } of arrivals) {
    const answer = status < 300 ? green(`${status}`) : red(`${status}`);
    print(`  ${answer}  ${method.padEnd(4)} ${path.padEnd(10)} ${fit(body, WIDTH - 23)}`.trimEnd());
  }
}

/** A folder with its files, and below each what it has to say. */
function showFolder(folder: string, files: readonly Found[], tell: (file: Found) => string): void {
  if (files.length === 0) return print(`  ${folder.padEnd(6)} ${dim("empty")}`);
  for (const file of files) {
    print(`  ${folder.padEnd(6)} ${fit(file.name, WIDTH - 9)}`);
    print(`         ${dim("└")} ${fit(tell(file), WIDTH - 11)}`);
  }
}

/** The value of the event's body as it stands in the file. */
function bodyText(event: string, member: string): string {
  return event.slice(event.indexOf(`"${member}":`) + member.length + 3, event.lastIndexOf("}"))
    .trim();
}

/** What isn't as it should be. */
function faults(
  before: readonly Found[],
  after: ReadonlyMap<string, readonly Found[]>,
  arrivals: readonly Arrival[],
  exitCode: number,
): string[] {
  const found: string[] = [];
  const expect = (what: string, holds: boolean | undefined) => holds || found.push(what);
  const textOf = (name: string) => before.find((file) => file.name === name)?.text ?? "";
  const arrived = (method: string, path: string, status: number, body: string) => {
    const [first, ...more] = arrivals.filter((arrival) => arrival.path === path);
    expect(`${method} ${path} must arrive once`, first !== undefined && more.length === 0);
    expect(`${method} ${path} must arrive as it was written`, first?.body === body);
    expect(
      `${method} ${path} must be answered ${status}`,
      first?.method === method && first.status === status,
    );
  };
  arrived("POST", "/orders", 204, bodyText(textOf("order.json"), "requestBody"));
  arrived("POST", "/v1/events", 204, bodyText(textOf("impression.json"), "params"));
  arrived("GET", "/rates", 200, "");
  arrived("POST", "/signups", 400, bodyText(textOf("signup.json"), "requestBody"));
  expect("nothing else must arrive", arrivals.length === 4);
  expect("the consumer must exit with 0", exitCode === 0);
  for (const folder of ["new", "cur", "defer"]) {
    expect(`${folder}/ must be empty`, after.get(folder)?.length === 0);
  }
  const responses = after.get("res") ?? [];
  expect("res/ must hold the answer and its .meta", responses.length === 2);
  expect("res/ must hold what the endpoint answered", responses[0]?.text === RATES);
  const letters = after.get("doa") ?? [];
  expect("doa/ must hold two dead letters with their reasons", letters.length === 4);
  for (const [id, reason] of [["broken", "ends in the middle"], ["signup", "400"]] as const) {
    const [letter, why] = letters.filter(({ name }) => name.startsWith(`${id}+1@`));
    expect(`the dead ${id}.json must be as it was written`, letter?.text === textOf(`${id}.json`));
    expect(`the reason of ${id}.json must say ${reason}`, why?.text.includes(reason));
  }
  return found;
}

function reasonOf(letter: Found, letters: readonly Found[]): string {
  const why = letters.find(({ name }) => name === `${letter.name}.why`);
  if (!why) return "no reason";
  const { reason, answer } = JSON.parse(why.text);
  return answer ? `${reason}: ${answer}` : reason;
}

async function demo(base: string): Promise<boolean> {
  const arrivals: Arrival[] = [];
  await using endpoint = startEndpoint(arrivals);
  const host = `127.0.0.1:${endpoint.addr.port}`;
  await copySample(base, `http://${host}`);

  print(bold("Write a file, it gets delivered."));
  const before = await list(join(base, "new"));
  heading("BEFORE", `new/ holds ${before.length} events, one file each`);
  showEvents(before);

  const startMs = performance.now();
  const { code, log } = await consume(base, host);
  const ms = Math.round(performance.now() - startMs);
  heading("RUN", `optimizelyd-maildir --until-empty --base-dir ${base}`);
  const lastLine = log.trimEnd().split("\n").at(-1) ?? "";
  print(`  exit code ${code} after ${ms} ms: ${fit(lastLine.replace(/^\S+Z /, ""), WIDTH - 34)}`);

  heading("ARRIVED", `at http://${host}, with the answer it got`);
  showArrivals(arrivals);

  const after = new Map<string, Found[]>();
  for (const folder of ["new", "cur", "doa", "res"]) {
    after.set(folder, await list(join(base, folder)));
  }
  const waiting: Found[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(base, "defer"))) {
    if (isDirectory) waiting.push(...await list(join(base, "defer", name)));
  }
  after.set("defer", waiting);
  const [letters, responses] = [after.get("doa")!, after.get("res")!];
  heading("AFTER", "delivered events are gone; answers to GET are in res/, dead letters in doa/");
  for (const folder of ["new", "cur", "defer"]) {
    showFolder(`${folder}/`, after.get(folder)!, ({ text }) => text);
  }
  showFolder("res/", responses.filter(({ name }) => !name.endsWith(".meta")), ({ text }) => text);
  showFolder(
    "doa/",
    letters.filter(({ name }) => !name.endsWith(".why")),
    (letter) => reasonOf(letter, letters),
  );

  print();
  const wrong = faults(before, after, arrivals, code);
  for (const fault of wrong) print(red(`  not so: ${fault}`));
  if (wrong.length > 0) print(log);
  else print(green("As it should be: 3 delivered, 2 dead with the reason beside them, none lost."));
  return wrong.length === 0;
}

if (import.meta.main) {
  const base = await Deno.makeTempDir({ prefix: "maildir-demo-" });
  let ok = false;
  try {
    ok = await demo(base);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
  Deno.exit(ok ? 0 : 1);
}
