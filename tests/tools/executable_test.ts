/**
 * The executables: built as `deno task compile` builds them, run with nothing around them.
 *
 * All tests share two portable builds, an open and a locked one, and one directory they are
 * unpacked into.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import {
  compile,
  type Ended,
  endOf,
  executableIn,
  metadataOf,
  npmPackage,
  run,
  start,
  whereIs,
} from "./fixtures.ts";
import { type Endpoint, startEndpoint } from "../support/endpoint.ts";
import { namesIn } from "../support/temp_dir.ts";

const hasShell = Deno.build.os !== "windows";

let scratch: string;
/** Variables by which requests are known to go through a proxy. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/** May do what the default build may. */
let open: string;
/** May only use `spool` and talk to `friend`. */
let locked: string;
let spool: string;
let friend: Endpoint;
let friendHost: string;
/** Nothing but a place to unpack into. */
let bare: Record<string, string>;

Deno.test.beforeAll(async () => {
  scratch = await Deno.realPath(await Deno.makeTempDir({ prefix: "executable-" }));
  spool = join(scratch, "it's a spool");
  await Deno.mkdir(spool); // as its operator does: a locked build may not touch the directory above
  friend = startEndpoint();
  friendHost = new URL(friend.url).host;
  bare = { PATH: "", XDG_CACHE_HOME: join(scratch, "cache") };
  const locks = ["--base-dir", spool, "--allow-host", friendHost];
  const builds = await Promise.all([
    // where there is no base binary it can't compile
    compile(["--out", join(scratch, "open")], { DENORT_BIN: "/nonexistent" }),
    compile(["--out", join(scratch, "locked"), "--form", "portable", ...locks]),
  ]);
  for (const { code, stderr } of builds) assertEquals([code, stderr], [0, ""]);
  assertMatch(builds[0]!.stdout, /base binary can't be had .*: making the portable form\n/);
  open = await executableIn(join(scratch, "open"));
  locked = await executableIn(join(scratch, "locked"));
});

Deno.test.afterAll(async () => {
  await friend[Symbol.asyncDispose]();
  await Deno.remove(scratch, { recursive: true });
});

function newDirectory(): Promise<string> {
  return Deno.makeTempDir({ dir: scratch });
}

/** A program that refused: this code, one line of reason and nothing else. */
function assertRefused({ code, stdout, stderr }: Ended, expected: number, reason: RegExp): void {
  assertMatch(stderr, reason);
  assertMatch(stderr, /^[^\n]+\n$/);
  assertEquals([code, stdout], [expected, ""]);
}

function bodiesOf(endpoint: Endpoint): string[] {
  return endpoint.taken.map(({ body }) => body);
}

const event = (url: string, requestBody: unknown = {}) => JSON.stringify({ url, requestBody });

Deno.test({
  name: "two first starts at once, without any environment, both work and leave one copy",
  ignore: !hasShell,
  async fn() {
    const TMPDIR = await newDirectory();
    const start = () => run(open, { args: ["--version"], env: { TMPDIR } });
    const [one, other] = await Promise.all([start(), start()]);
    assertEquals([one.code, one.stderr], [0, ""]);
    assertMatch(one.stdout, /^optimizelyd-maildir \d+\.\d+\.\d+\n$/);
    assertEquals(other, one);

    const cache = join(TMPDIR, `optimizelyd-maildir-${Deno.uid()}`);
    assertEquals((await Deno.stat(cache)).mode! & 0o777, 0o700);
    const names = await Array.fromAsync(Deno.readDir(cache), ({ name }) => name.split("-")[0]);
    assertEquals(names.sort(), ["deno", "program", "state"]);
  },
});

Deno.test({
  name: "an executable takes events from standard input and delivers them, PATH empty",
  ignore: !hasShell,
  async fn() {
    await using server = startEndpoint();
    const base = join(await newDirectory(), "queue");
    const stdin = [1, 2, 3].map((n) => event(server.url, { n })).join("\n") + "\n";

    const put = await run(open, { args: ["client", "--base-dir", base, "-"], env: bare, stdin });
    assertEquals([put.code, put.stdout.trim().split("\n").length], [0, 3]);

    const env = { ...bare, OPTIMIZELYD_BASE_DIR: base };
    const { code } = await run(open, { args: ["consume", "--until-empty"], env });
    assertEquals([code, bodiesOf(server).sort()], [0, ['{"n":1}', '{"n":2}', '{"n":3}']]);
  },
});

Deno.test({
  name: "an executable passes arguments and exit codes through",
  ignore: !hasShell,
  async fn() {
    const odd = `--it's "odd" $HOME *`;
    const unknown = await run(open, { args: [odd], env: bare });
    assertEquals(unknown.code, 64);
    assertStringIncludes(unknown.stderr, `it's`);
    const nowhere = { args: ["status", "--base-dir", await newDirectory()], env: bare };
    assertEquals((await run(open, nowhere)).code, 73);
    const base = ["--base-dir", join(await newDirectory(), "queue")];
    const bad = await run(open, { args: ["client", ...base, "-"], env: bare, stdin: "{}\n" });
    assertEquals(bad.code, 65);
  },
});

Deno.test({
  name: "an executable told to stop during a slow request ends with 0 and leaves nothing running",
  ignore: !hasShell,
  async fn() {
    const answer = Promise.withResolvers<void>();
    await using server = startEndpoint(async () => {
      await answer.promise;
      return new Response();
    });
    const base = join(await newDirectory(), "queue");
    const stdin = event(server.url);
    await run(open, { args: ["client", "--base-dir", base, "-"], env: bare, stdin });

    const args = ["consume", "--base-dir", base, "--grace", "50ms"];
    const child = start(open, { args, env: bare });
    try {
      await server.arrived(1);
      if (await canHoldSignals()) {
        const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
        assertMatch(status, /^SigBlk:\t0+200$/m); // SIGUSR1
      }
      child.kill("SIGUSR1"); // so it does nothing
      assertEquals(await commandsWith(base), Deno.build.os === "linux" ? [child.pid] : []);
      child.kill("SIGTERM");
      assertEquals((await endOf(child)).code, 0);
      assertEquals(await commandsWith(base), []);
    } finally {
      answer.resolve(); // and so the server can end, however this went
      for (const pid of await commandsWith(base)) Deno.kill(pid, "SIGKILL");
    }
    assertEquals(namesIn(join(base, "new")).length, 1);
  },
});

/** Whether `env` here starts a program with a signal held back. */
async function canHoldSignals(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const { code } = await run("/usr/bin/env", { args: ["--block-signal=USR1", "true"], env: {} });
  return code === 0;
}

/** Processes whose command line holds `text`, as far as the system tells. */
async function commandsWith(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of namesIn("/proc").filter((name) => /^\d+$/.test(name))) {
    const command = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
    if (command.includes(text)) found.push(Number(pid));
  }
  return found;
}

Deno.test({
  name: "an executable drops variables that change what Deno does",
  ignore: !hasShell,
  async fn() {
    const env = {
      ...bare,
      DENO_V8_FLAGS: "--help",
      DENO_PERMISSION_BROKER_PATH: "/nonexistent",
      DENO_COVERAGE_DIR: join(scratch, "coverage"),
      NODE_OPTIONS: "--require=/nonexistent",
      // the script's own names
      cache: "/nonexistent",
      deno: "/nonexistent",
      variable: "/nonexistent",
    };
    const ended = await run(open, { args: ["--version"], env });
    assertEquals(ended, await run(open, { args: ["--version"], env: bare }));
    assertEquals(namesIn(join(scratch, "coverage")), []);
  },
});

Deno.test({
  name: "an executable that can't unpack says so in one line",
  ignore: !hasShell,
  async fn() {
    const env = { ...bare, XDG_CACHE_HOME: "/dev/null/cache" };
    assertRefused(await run(open, { env }), 73, /cannot unpack below XDG_CACHE_HOME/);
  },
});

/**
 * A cache in which `program` is what lies there instead of Deno: a script for `/bin/sh`, of Deno's
 * size. Owner and size are all that a start looks at.
 */
async function cacheRunning(program: string, cache: string): Promise<void> {
  const unpacked = join(bare["XDG_CACHE_HOME"]!, "optimizelyd-maildir");
  if (namesIn(unpacked).length === 0) await run(open, { args: ["--version"], env: bare });
  await Deno.mkdir(cache, { mode: 0o700, recursive: true });
  for (const name of namesIn(unpacked).filter((name) => /^(?:deno|program)-/.test(name))) {
    await Deno.writeTextFile(join(cache, name), `#!/bin/sh\n${program}\nexit\n`, { mode: 0o500 });
    await Deno.truncate(join(cache, name), (await Deno.stat(join(unpacked, name))).size);
  }
}

Deno.test({
  name: "an executable unpacks nowhere that somebody else could write to, nor below such a place",
  ignore: !hasShell,
  async fn() {
    const shared = await newDirectory();
    const below = join(shared, "of mine", "deep");
    await Deno.mkdir(below, { recursive: true, mode: 0o700 });
    for (const mode of [0o777, 0o770]) {
      await Deno.chmod(shared, mode);
      for (const XDG_CACHE_HOME of [shared, below, join(below, "new")]) {
        const ended = await run(open, { env: { ...bare, XDG_CACHE_HOME } });
        assertRefused(ended, 73, new RegExp(`somebody else could change what is in ${shared}\n`));
      }
    }
    await Deno.chmod(shared, 0o1777); // as /tmp: an entry that is ours stays ours
    await cacheRunning("echo started", join(below, "optimizelyd-maildir"));
    const { code, stdout } = await run(open, { env: { ...bare, XDG_CACHE_HOME: below } });
    assertEquals([code, stdout], [0, "started\n"]);
  },
});

Deno.test({
  name: "a name that somebody else took in the temporary directory doesn't keep it from starting",
  ignore: !hasShell,
  async fn() {
    const damaged = join(await newDirectory(), "damaged");
    const bytes = new Uint8Array(100_000);
    using file = await Deno.open(open);
    await file.read(bytes);
    await Deno.writeFile(damaged, bytes, { mode: 0o755 });

    const taking: ((name: string) => Promise<void>)[] = [
      async (name) => await Deno.symlink(await newDirectory(), name),
      (name) => Deno.writeTextFile(name, ""),
    ];
    if (Deno.uid() === 0) {
      taking.push(async (name) => {
        await Deno.mkdir(name, { mode: 0o700 });
        await Deno.chown(name, 65534, 65534);
      });
    }
    for (const take of taking) {
      const TMPDIR = await newDirectory();
      await take(join(TMPDIR, `optimizelyd-maildir-${Deno.uid()}`));
      // one that is damaged says so only once it has a place to unpack into
      assertRefused(await run(damaged, { env: { TMPDIR } }), 74, /is damaged/);
      const [, name, ...others] = namesIn(TMPDIR);
      assertEquals(others, []);
      assertEquals((await Deno.lstat(join(TMPDIR, name!))).mode! & 0o777, 0o700);

      await cacheRunning("echo started", join(TMPDIR, name!));
      const { code, stdout } = await run(open, { env: { TMPDIR } });
      assertEquals([code, stdout], [0, "started\n"]);
      assertEquals(namesIn(TMPDIR).length, 2);
    }
  },
});

Deno.test({
  name: "an executable drops what isn't UTF-8 from its environment, whatever it is called",
  ignore: !hasShell,
  async fn() {
    const XDG_CACHE_HOME = await newDirectory();
    await cacheRunning("env", join(XDG_CACHE_HOME, "optimizelyd-maildir"));
    const kept = { LC_ALL: "C.UTF-8", HTTP_PROXY: "http://größe.example/", no_proxy: "a b" };
    const hostile = String.raw`
      odd=$(printf 'a\377b')
      export DENO_COVERAGE_DIR="$odd" DENO_V8_FLAGS="$odd" OPTIMIZELYD_BASE_DIR="$odd" TZ="$odd"
      export LC_TIME="$(printf '\355\240\200')" LC_PAPER="$(printf '\300\200')" # no characters
      exec "$0"`;
    const args = ["-c", hostile, open];
    const { code, stdout } = await run("/bin/sh", {
      args,
      env: { ...kept, PATH: "", XDG_CACHE_HOME },
    });
    const ours = /^(?:PATH|PWD|OLDPWD|SHLVL|_|HOME|DENO_(?:DIR|NO_.*)|XDG_CACHE_HOME)=/;
    const rest = stdout.trim().split("\n").filter((line) => !ours.test(line)).sort();
    assertEquals(code, 0);
    assertEquals(rest, Object.entries(kept).map(([name, value]) => `${name}=${value}`).sort());
  },
});

Deno.test({
  name: "an executable runs what lies in the directory that it has opened and checked",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const XDG_CACHE_HOME = await newDirectory();
    await cacheRunning("echo $0", join(XDG_CACHE_HOME, "optimizelyd-maildir"));
    const { stdout } = await run(open, { env: { ...bare, XDG_CACHE_HOME } });
    assertMatch(stdout, /^\/proc\/self\/fd\/9\/deno-/);
  },
});

Deno.test({
  name: "an executable that arrived damaged says so in one line",
  ignore: !hasShell,
  async fn() {
    const directory = await newDirectory();
    const bytes = await Deno.readFile(open);
    const broken = join(directory, "broken");
    const env = { PATH: "", XDG_CACHE_HOME: directory };

    await Deno.writeFile(broken, bytes.subarray(0, bytes.length / 2), { mode: 0o755 });
    assertRefused(await run(broken, { env }), 74, /is damaged: it has \d+ bytes instead of \d+/);

    bytes[bytes.length - 38_000_000]! ^= 1; // somewhere in the package
    await Deno.writeFile(broken, bytes, { mode: 0o755 });
    assertRefused(await run(broken, { env }), 73, /cannot unpack/);
    const left = namesIn(join(directory, "optimizelyd-maildir"));
    assertEquals(left.filter((name) => name.startsWith("deno")), []);
  },
});

Deno.test({
  name: "--help ends with what the build may do",
  ignore: !hasShell,
  async fn() {
    const ofOpen = await run(open, { args: ["--help"], env: bare });
    assertMatch(ofOpen.stdout, /files: +any\n.*network: +any host\n.*never: .*\n$/s);
    const { stdout } = await run(locked, { args: ["--help"], env: bare });
    assertStringIncludes(stdout, `only ${spool}, the default base directory\n`);
    assertStringIncludes(stdout, `only ${friendHost}\n`);
  },
});

Deno.test({
  name: "a locked executable delivers to its host from its directory without any option",
  ignore: !hasShell,
  async fn() {
    const stdin = event(friend.url, "locked");
    assertEquals((await run(locked, { args: ["client", "-"], env: bare, stdin })).code, 0);
    assertEquals((await run(locked, { args: ["--until-empty"], env: bare })).code, 0);
    assert(bodiesOf(friend).includes('"locked"'));
  },
});

Deno.test({
  name:
    "a locked executable has threads for its workers and their disks, though it may load no file",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const put = async () => {
      const stdin = Array.from({ length: 64 }, (_, n) => event(friend.url, n)).join("\n");
      assertEquals((await run(locked, { args: ["client", "-"], env: bare, stdin })).code, 0);
    };
    await put();
    const before = friend.taken.length;
    const child = start(locked, { args: ["consume", "--workers", "2"], env: bare });
    try {
      await friend.arrived(before + 64);
      await put(); // a thread whose program is wrong doesn't live that long
      await friend.arrived(before + 128);
      const threads = namesIn(`/proc/${child.pid}/task`).map((id) =>
        Deno.readTextFileSync(`/proc/${child.pid}/task/${id}/comm`).trim()
      );
      const workers = threads.filter((name) => name.startsWith("worker-"));
      assert(workers.length >= 3, threads.join()); // a disk that has little to do has none
    } finally {
      child.kill("SIGTERM");
      assertEquals((await endOf(child)).code, 0);
    }
  },
});

Deno.test({
  name: "a locked executable refuses other hosts and file: URLs, and says why",
  ignore: !hasShell,
  async fn() {
    await using stranger = startEndpoint();
    await run(locked, { args: ["client", "-"], env: bare, stdin: "" });
    await Deno.writeTextFile(join(spool, "new", "stranger"), event(stranger.url));
    await Deno.writeTextFile(join(spool, "new", "file"), event("file:///etc/passwd"));
    assertEquals((await run(locked, { args: ["--until-empty"], env: bare })).code, 0);

    assertEquals([bodiesOf(stranger), namesIn(join(spool, "defer"))], [[], []]);
    const dead = namesIn(join(spool, "doa")).filter((name) => name.endsWith(".why"));
    const reasons = await Promise.all(dead.map(async (name) => {
      const { reason } = JSON.parse(await Deno.readTextFile(join(spool, "doa", name)));
      return `${name.split("+")[0]}: ${reason}`;
    }));
    assertEquals(reasons.length, 2);
    assertMatch(reasons[0]!, /^file: .*scheme/);
    assertMatch(reasons[1]!, /^stranger: .*may not/);
  },
});

Deno.test({
  name: "a locked executable refuses a base directory elsewhere in one line",
  ignore: !hasShell,
  async fn() {
    for (const command of ["status", "consume", "client"]) {
      const args = [command, "--base-dir", await newDirectory()];
      const ended = await run(locked, { args, env: bare, stdin: event("http://example.com/") });
      assertRefused(ended, 77, /./);
    }
  },
});

const strace = whereIs("strace");

Deno.test({
  name: "a locked executable opens and contacts nothing else, whatever the events say (strace)",
  ignore: Deno.build.os !== "linux" || strace === undefined,
  async fn() {
    await using stranger = startEndpoint();
    const secret = await newDirectory();
    await Deno.writeTextFile(join(secret, "secret"), event(friend.url, "secret"));
    await run(locked, { args: ["client", "-"], env: bare, stdin: "" });
    const hostile = {
      host: event(stranger.url),
      name: event("http://example.com/"),
      file: event(`file://${secret}/secret`),
    };
    for (const [name, text] of Object.entries(hostile)) {
      await Deno.writeTextFile(join(spool, "new", name), text);
    }
    await Deno.symlink(join(secret, "secret"), join(spool, "new", "symlink"));

    const calls = await tracedCalls(["consume", "--once"]) +
      await tracedCalls(["status", "--base-dir", secret]);
    await Deno.remove(join(spool, "new", "symlink"));
    const dead = namesIn(join(spool, "doa")).map((name) => name.split("+")[0]!);
    assertEquals(Object.keys(hostile).filter((name) => !dead.includes(name)), []);

    const isOfTheSystem =
      /^\/(?:dev|etc|lib|lib64|proc|run|sys|usr\/lib|usr\/lib64|usr\/local\/lib|usr\/share)\//;
    const mayOpen = (path: string) =>
      isOfTheSystem.test(path) || path === locked || path === "." || // find(1) holds on to it
      [spool, join(bare["XDG_CACHE_HOME"]!, "optimizelyd-maildir")].some((own) =>
        path.startsWith(own)
      );
    const opened = [...calls.matchAll(/open(?:at)?\((?:AT_FDCWD, )?"([^"]*)".* = \d+$/gm)]
      .map(([, path]) => path!);
    assert(opened.includes(locked));
    assertEquals(opened.filter((path) => !mayOpen(path)), []);

    const contacted = [...calls.matchAll(/connect\(.*sin6?_port=htons\((\d+)\)/g)]
      .map(([, port]) => port!);
    assertEquals(contacted.filter((port) => port !== String(friend.port)), []);
    assertEquals([bodiesOf(stranger), bodiesOf(friend).includes('"secret"')], [[], false]);
  },
});

/**
 * What a locked executable with these arguments asked of the system: openings and connections, one
 * a line.
 */
async function tracedCalls(args: string[]): Promise<string> {
  const output = join(await newDirectory(), "calls");
  const traced = ["-f", "-qq", "-z", "-e", "trace=open,openat,openat2,connect"];
  await run(strace!, { args: [...traced, "-o", output, locked, ...args], env: bare, cwd: scratch });
  return await Deno.readTextFile(output);
}

/**
 * For each format of executable: a small file of it from npm, and the targets whose base binary has
 * that format.
 */
const formats = [
  [
    "@parcel/watcher-linux-x64-glibc@2.6.0",
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
  ],
  ["@parcel/watcher-darwin-arm64@2.6.0", "x86_64-apple-darwin", "aarch64-apple-darwin"],
  ["@parcel/watcher-win32-x64@2.6.0", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"],
] as const;

for (const [name, ...targets] of formats) {
  Deno.test(`deno compile packs ${targets.join(" and ")} with no more than is intended`, async () => {
    const out = await newDirectory();
    const DENORT_BIN = join(await npmPackage(name, scratch), "watcher.node");
    const nowhere = "http://127.0.0.1:1";
    const { code, stdout, stderr } = await compile(
      ["--form", "compile", "--out", out, ...targets.flatMap((target) => ["--target", target])],
      { DENORT_BIN, HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere },
    );
    assertEquals([code, stderr, stdout.split("compiled form").length - 1], [0, "", 2]);
    const [sums, ...executables] = namesIn(out);
    assertEquals([sums, executables.length], ["SHA256SUMS", 2]);
    for (const executable of executables) {
      const { permissions, node_modules } = await metadataOf(join(out, executable));
      assertEquals(node_modules, null);
      assertEquals(granted(permissions), {
        allow_env: [
          ...["OPTIMIZELYD_BASE_DIR", "OPTIMIZELYD_CONFIG", "CREDENTIALS_DIRECTORY"],
          ...PROXIES,
        ],
        allow_import: ["0.0.0.0:1"], // nobody's address; absent it would be Deno's list
        allow_net: [],
        allow_read: [],
        allow_sys: ["hostname", "statfs", "systemMemoryInfo"],
        allow_write: [],
        prompt: false,
      });
    }
  });
}

Deno.test("deno compile bakes the locks of a locked build in", async () => {
  const out = await newDirectory();
  const [name, target] = formats[0];
  const DENORT_BIN = join(await npmPackage(name, scratch), "watcher.node");
  const locks = [
    "--base-dir",
    "/var/spool/optimizelyd/",
    "--allow-host",
    "a.example",
    "--allow-host",
  ];
  const args = ["--form", "compile", "--out", out, "--target", target, ...locks, "b.example:8443"];
  assertEquals((await compile(args, { DENORT_BIN })).code, 0);
  const [, executable] = namesIn(out);
  assertEquals(granted((await metadataOf(join(out, executable!))).permissions), {
    allow_env: PROXIES,
    allow_import: ["0.0.0.0:1"],
    allow_net: ["a.example", "b.example:8443"],
    allow_read: ["/var/spool/optimizelyd", "/etc/machine-id"],
    allow_sys: ["hostname", "statfs", "systemMemoryInfo"],
    allow_write: ["/var/spool/optimizelyd"],
    prompt: false,
  });
});

/** The permissions that were given, an empty list standing for all of a kind. */
function granted(permissions: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(permissions).filter(([, value]) => value !== null));
}

Deno.test("compile refuses what it doesn't understand in one line", async () => {
  const refused: [RegExp, ...string[]][] = [
    [/unknown option or argument: --fast/, "--fast"],
    [/--out needs a value/, "--out"],
    [/--form must be compile or portable, not zip/, "--form", "zip"],
    [/unknown target: vax/, "--target", "vax"],
    [/--base-dir must be absolute .*, not queue/, "--base-dir", "queue"],
    [/--allow-host must be HOST or HOST:PORT/, "--allow-host", "https://example.com"],
    [/no portable form/, "--form", "portable", "--target", "x86_64-pc-windows-msvc"],
  ];
  await Promise.all(refused.map(async ([reason, ...args]) => {
    assertRefused(await compile(args), 64, reason);
  }));
});
