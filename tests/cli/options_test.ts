import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/args.ts";
import type { ClientInvocation, ConsumeInvocation } from "../../lib/cli/options.ts";
import { parseCommandLine } from "../../lib/cli/options.ts";
import type { Outcome } from "../../lib/http/outcome.ts";
import { COMMANDS } from "../../lib/config/option.ts";
import { MERGERS } from "../../lib/merge/mergers.ts";

function consume(...args: string[]): ConsumeInvocation {
  const invocation = parseCommandLine(args);
  if (invocation.command !== "consume") throw new Error(`parsed as ${invocation.command}`);
  return invocation;
}

function client(...args: string[]): ClientInvocation {
  const invocation = parseCommandLine(["client", ...args]);
  if (invocation.command !== "client") throw new Error(`parsed as ${invocation.command}`);
  return invocation;
}

/** Why a command line is refused. */
function refusal(...args: string[]): string {
  const { message } = assertThrows(() => parseCommandLine(args), UsageError);
  assertMatch(message, /^[^\n\r]+$/, "a usage error is one line");
  return message;
}

Deno.test("no arguments mean consume with the documented defaults", () => {
  assertEquals(parseCommandLine([]), {
    command: "consume",
    baseDir: undefined,
    config: undefined,
    written: new Map(),
    options: {
      mode: "forever",
      group: false,
      ownerName: undefined,
      workers: 1,
      logFormat: "text",
      logLevel: "info",
      logSummaryMs: 0,
      limits: {},
      accept: undefined,
      consumer: {}, // the defaults of tests/config/settings_test.ts
      destinations: {},
    },
  });
});

Deno.test("every option of consume is read, before and after the command", () => {
  const options = [
    ..."--concurrency 8 --until-empty --timeout=5s --lease 20s --max-attempts 7".split(" "),
    ..."--max-age 1d --backoff-base 2s --backoff-cap 1h --grace 0s --max-bytes 512KiB".split(" "),
    ..."--on-status 404=defer,409=deliver,503=refuse --poll 50ms --group".split(" "),
    ..."--log-format json --base-dir q --per-destination 4 --rate 30/m".split(" "),
    ..."--merge optimizely --merge-wait 200ms --merge-count 10 --merge-bytes 1MiB".split(" "),
    ..."--owner-name blue --workers 3 --log-level error --log-summary 30s".split(" "),
  ];
  const { baseDir, options: { consumer: { merge, ...consumer }, ...others } } = consume(...options);
  assertEquals(baseDir, "q");
  assertEquals(merge?.name, "optimizely");
  assertEquals(others, {
    mode: "until-empty",
    group: true,
    ownerName: "blue",
    workers: 3,
    logFormat: "json",
    logLevel: "error",
    logSummaryMs: 30_000,
    limits: {},
    accept: undefined,
    destinations: {},
  });
  assertEquals(consumer, {
    concurrency: 8,
    perDestination: 4,
    ratePerSecond: 0.5,
    timeoutMs: 5_000,
    leaseMs: 20_000,
    maxAttempts: 7,
    maxAgeMs: 86_400_000,
    backoffBaseMs: 2_000,
    backoffCapMs: 3_600_000,
    graceMs: 0,
    maxBytes: 524_288,
    onStatus: new Map<number, Outcome>([[404, "deferred"], [409, "delivered"], [503, "refused"]]),
    pollMs: 50,
    mergeWaitMs: 200,
    mergeCount: 10,
    mergeBytes: 1_048_576,
  });
  for (const args of [["consume", ...options], [...options, "consume"]]) {
    assertEquals(JSON.stringify(parseCommandLine(args)), JSON.stringify(consume(...options)));
  }
});

Deno.test("--merge has its limits, and they mean nothing without it", () => {
  const options = "--merge-wait 200ms --merge-count 10 --merge-bytes 1MiB".split(" ");
  assertEquals(refusal(...options), "--merge-wait needs --merge as well");
  const names = Object.keys(MERGERS).join(" or ");
  assertEquals(refusal("--merge", "xml"), `--merge must be ${names}, current value is "xml"`);
  assertMatch(refusal("--merge", "optimizely", "--merge-wait", "2m"), /a duration from 0s to 1m/);
});

Deno.test("the original's arguments mean what they meant", () => {
  for (const args of [["-baseDir", "/q", "-threads", "5"], ["-threads=5", "-baseDir=/q"]]) {
    const { baseDir, options: { consumer } } = consume(...args);
    assertEquals([baseDir, consumer], ["/q", { concurrency: 5 }]);
  }
  const { baseDir } = client("-baseDir", "/q", "event.json");
  assertEquals(baseDir, "/q");
});

Deno.test("--threads is another name of --concurrency", () => {
  for (const args of [["--threads", "5"], ["--threads=5"], ["--concurrency", "5"]]) {
    assertEquals(consume(...args).options.consumer, { concurrency: 5 });
  }
  for (const other of ["--threads", "--concurrency"]) {
    assertEquals(refusal("-threads", "5", other, "6"), "--concurrency is given twice");
  }
});

Deno.test("an unknown option is refused, with the one that was probably meant", () => {
  assertEquals(refusal("--treads", "5"), "unknown option --treads; did you mean --threads?");
  assertEquals(refusal("--thread=5"), "unknown option --thread; did you mean --threads?");
  assertEquals(refusal("--until-emty"), "unknown option --until-emty; did you mean --until-empty?");
  assertEquals(refusal("-base-dir", "q"), "unknown option -base-dir; did you mean --base-dir?");
  assertEquals(refusal("-x"), "unknown option -x; see --help");
  for (
    const arg of [
      "--xyzzy",
      "--no-once",
      "--no-once=x",
      "--no-threads=5",
      "-5",
      "-=",
      "--=x",
      "---",
      "--a.b=1",
      "--__proto__=1",
    ]
  ) {
    assertMatch(refusal(arg), /^unknown option -/);
  }
});

Deno.test("an option without a value is refused, and what looks like one says how to write it", () => {
  for (const args of [["--poll"], ["--poll="], ["--poll", ""], ["--poll", "--", "5"]]) {
    assertEquals(refusal(...args), "--poll needs a value");
  }
  assertEquals(refusal("client", "--url", "--keep-going"), "--url needs a value");
  assertEquals(
    refusal("client", "--url", "http://h/", "--body", "-1"),
    "--body needs a value; one that starts with a dash is written --body=-1",
  );
});

Deno.test("a value may start with a dash after =, hold = itself, and span lines", () => {
  const { input } = client("--url=http://h/?a=b", "--body=-1");
  assertEquals(input.from === "options" && [input.url, input.body], ["http://h/?a=b", "-1"]);
  const multiline = client("--url", "http://h/", "--body", '{\n"a": 1}').input;
  assertEquals(multiline.from === "options" && multiline.body, '{\n"a": 1}');
});

Deno.test("a flag takes no value and eats no word", () => {
  assertEquals(refusal("--once=false"), "--once takes no value");
  assertEquals(refusal("--once="), "--once takes no value");
  assertEquals(client("--keep-going", "false").input, { from: "files", paths: ["false"] });
  assertEquals(
    refusal("--once", "true"),
    'unknown command "true"; ' +
      `the commands are ${COMMANDS.join(", ")}`,
  );
});

Deno.test("--group may say drop, and nothing else", () => {
  const groupOf = (...args: string[]) => consume(...args).options.group;
  assertEquals([groupOf(), groupOf("--group"), groupOf("--group=drop")], [false, true, "drop"]);
  assertEquals(refusal("--group=all"), "--group takes no value but drop");
  assertEquals(refusal("--group="), "--group takes no value but drop");
});

Deno.test("a repeated option is refused, but --header", () => {
  assertEquals(refusal("--once", "--once"), "--once is given twice");
  assertEquals(refusal("--poll=1s", "--poll", "2s"), "--poll is given twice");
  const { input } = client("--url=http://h/", "--header", "A: 1", "--header=B:2:3");
  assertEquals(input.from === "options" && input.headers, [["A", "1"], ["B", "2:3"]]);
  assertEquals(
    refusal("client", "--url=http://h/", "--header=A:1", "--header=a: 2"),
    "--header names a twice",
  );
});

Deno.test("an option of another command is refused with the command it belongs to", () => {
  assertEquals(refusal("status", "--poll", "5s"), "--poll belongs to consume, not to status");
  assertEquals(
    refusal("--url", "http://h/"),
    "--url belongs to client and requeue, not to consume, which is meant when no command is given",
  );
});

Deno.test("values outside their limits are refused, limits and value named", () => {
  assertEquals(
    refusal("--concurrency", "0"),
    '--concurrency must be a whole number from 1 to 10000, current value is "0"',
  );
  for (const text of ["1.5", "5x", "1e3", "0x10", "99999999999999999999"]) {
    assertMatch(refusal("--concurrency", text), /^--concurrency must be a whole number/);
  }
  assertEquals(
    refusal("--timeout", "5"),
    '--timeout must be a duration from 1ms to 1h, such as 250ms, 30s, 5m, 72h or 3d, current value is "5"',
  );
  assertEquals(
    refusal("--poll", "0s"),
    '--poll must be a duration from 10ms to 1h, such as 250ms, 30s, 5m, 72h or 3d, current value is "0s"',
  );
  assertMatch(refusal("--backoff-cap", "8d"), /from 1ms to 7d/);
  assertMatch(refusal("--max-attempts", "0"), /from 1 to 999999/);
  assertMatch(refusal("--max-bytes", "4MB"), /^--max-bytes must be a number of bytes/);
  assertMatch(refusal("--log-format", "xml"), /must be text or json, current value is "xml"/);
});

Deno.test("options that contradict each other are refused, both named", () => {
  assertEquals(
    refusal("--timeout", "30s", "--lease", "39s"),
    "--lease must be at least --timeout + 10s (40s), current value is 39s",
  );
  consume("--timeout", "30s", "--lease", "40s");
  consume("--timeout", "3570s");
  assertEquals(
    refusal("--timeout", "3571s"),
    "--lease must be a duration from 1ms to 1h, such as 250ms, 30s, 5m, 72h or 3d, " +
      "current value is 3601s (the default, timeout + 30s)",
  );
  assertEquals(
    refusal("--backoff-base", "1h"),
    "--backoff-cap must be at least --backoff-base (1h), current value is 10m (the default)",
  );
  assertEquals(
    refusal("--once", "--until-empty"),
    "--once and --until-empty can't be used together",
  );
});

Deno.test("--on-status refuses an unknown outcome, a status that can't be answered and one named twice", () => {
  const texts = ["404", "404=dead", "199=defer", "600=defer", "404=defer,", "404 = defer"];
  for (const text of [...texts, "404=defer,404=defer", "=defer", "404=defer=defer"]) {
    assertMatch(refusal(`--on-status=${text}`), /^--on-status must be STATUS=OUTCOME pairs/);
  }
});

Deno.test("client takes one event from options, events from files, or from standard input", () => {
  assertEquals(client("--url", "http://h/").input, {
    from: "options",
    url: "http://h/",
    body: undefined,
    method: undefined,
    headers: [],
  });
  assertEquals(client("a", "--keep-going", "b").input, { from: "files", paths: ["a", "b"] });
  assertEquals(client("--", "--a").input, { from: "files", paths: ["--a"] });
  assertEquals(client("-").input, { from: "stdin", explicit: true });
  assertEquals(client().input, { from: "stdin", explicit: false });
});

Deno.test("client refuses inputs that can't go together", () => {
  assertEquals(refusal("client", "--body", "{}"), "--body needs --url as well");
  assertEquals(
    refusal("client", "--url", "http://h/", "file"),
    "--url and file can't be used together",
  );
  assertMatch(refusal("client", "a", "-"), /can't be used with files/);
  assertMatch(refusal("client", "a", ""), /can't be empty/);
});

Deno.test("a header that can't be read is refused without showing what may be a secret", () => {
  const message = refusal("client", "--url=http://h/", "--header", "Bearer 0123");
  assertMatch(message, /^--header must be a name, a colon and a value/);
  assertEquals(message.includes("0123"), false);
});

Deno.test("status and requeue are read", () => {
  assertEquals(parseCommandLine(["status", "--json"]), {
    command: "status",
    baseDir: undefined,
    json: true,
  });
  const idsOf = (...args: string[]) => {
    const invocation = parseCommandLine(args);
    return "ids" in invocation ? invocation.ids : undefined;
  };
  assertEquals(idsOf("requeue", "1e5", "b", "1e5"), ["1e5", "b"]);
  assertMatch(refusal("requeue"), /needs ids, - to read them, or a filter .*, or --all/);
  assertEquals(idsOf("requeue", "-"), "stdin");
  assertMatch(refusal("requeue", "-", "a"), /can't be used with ids/);
  assertMatch(refusal("requeue", "a", "--all"), /not both/);
  assertMatch(refusal("status", "a"), /status takes no arguments, but there is "a"/);
});

Deno.test("-h, -V, help COMMAND and enqueue are other ways to say what they mean", () => {
  assertEquals(parseCommandLine(["-h"]), { command: "help", topic: undefined });
  assertEquals(parseCommandLine(["client", "-h"]), { command: "help", topic: "client" });
  assertEquals(parseCommandLine(["help"]), { command: "help", topic: undefined });
  assertEquals(parseCommandLine(["help", "enqueue"]), { command: "help", topic: "client" });
  assertEquals(parseCommandLine(["-V"]), { command: "version" });
  assertEquals(parseCommandLine(["enqueue", "-"]).command, "client");
  assertEquals(refusal("help", "cleint"), 'unknown command "cleint"; did you mean client?');
  assertMatch(refusal("help", "client", "more"), /help takes one command/);
});

Deno.test("an unknown command is refused, with the one that was probably meant", () => {
  assertEquals(refusal("cleint"), 'unknown command "cleint"; did you mean client?');
  assertEquals(refusal("resum"), 'unknown command "resum"; did you mean resume?');
});

Deno.test("hold and resume take one destination, as a URL or as its folder's name", () => {
  for (const command of ["hold", "resume"] as const) {
    for (
      const destination of [
        "https://logx.optimizely.com",
        "HTTP://User:secret@A.example:8080/v1?x#y",
        "https_logx.optimizely.com_443",
        "http_127.0.0.1_8080",
        "http_my_host_80",
        "http_xn--bcher-kva.example_80",
        "https____1__443_0123456789ab",
      ]
    ) {
      assertEquals(parseCommandLine([command, destination, "--base-dir", "q"]), {
        command,
        baseDir: "q",
        destination,
      });
    }
    assertMatch(refusal(command), /needs a destination: a URL such as/);
    assertMatch(refusal(command, "http://a/", "http://b/"), /one destination, but there is "http:/);
  }
});

Deno.test("a destination that can't be one is refused, with what would be right", () => {
  for (
    const text of [
      ...["", "x", "..", "../doa", "a/b", ".hold", "https_a.example", "https_A.example_443"],
      ...["http_a_99999", "http_a_080", "http_0x7f.1_80", "https_a_443/", "ftp_a_21"],
      ...["ftp://a/", "file:///etc/passwd", "http://", "http://a:99999/", "http://a..b/"],
    ]
  ) {
    assertMatch(refusal("hold", text), /^the destination must be a URL such as https:\/\/a\.ex/);
  }
  assertMatch(
    refusal("hold", "logx.optimizely.com"),
    /, current value is "logx.*"; did you mean https:\/\/logx\.optimizely\.com or http:\/\/logx\.optimizely\.com\?$/,
  );
  assertMatch(
    refusal("hold", "https_a.example"),
    /did you mean https:\/\/a\.example or http:\/\/a\.example\?$/,
  );
  assertMatch(refusal("hold", "others"), /others is shared: name one of its destinations by URL$/);
  assertEquals(refusal("hold", "ftp://user:secret@a/").includes("secret"), false);
});

Deno.test("--rate is requests and their time, --per-destination at most --concurrency", () => {
  for (const [text, rate] of [["100/s", 100], ["30/m", 0.5], ["1/h", 1 / 3600]] as const) {
    assertEquals(consume("--rate", text).options.consumer.ratePerSecond, rate);
  }
  for (const text of ["100", "0/s", "1.5/s", "-1/s", "1/d", "/s", "1 /s", "1000001/s", "1/ss"]) {
    assertEquals(
      refusal(`--rate=${text}`),
      "--rate must be a whole number from 1 to 1000000 and its time, such as 100/s, 30/m or 500/h, " +
        `current value is "${text}"`,
    );
  }
  consume("--concurrency=5", "--per-destination=5");
  assertEquals(
    refusal("--per-destination", "65"),
    "--per-destination must be at most --concurrency (64), current value is 65",
  );
  assertMatch(refusal("--per-destination", "0"), /a whole number from 1 to 10000/);
});

Deno.test("help and version are answered before values are looked at, not before spelling", () => {
  assertEquals(parseCommandLine(["--help"]), { command: "help", topic: undefined });
  assertEquals(parseCommandLine(["client", "--help", "--threads", "x"]), {
    command: "help",
    topic: "client",
  });
  assertEquals(parseCommandLine(["status", "--version"]), { command: "version" });
  assertMatch(refusal("--help", "--xyzzy"), /^unknown option --xyzzy/);
});

Deno.test("a usage error can't move the cursor of the terminal it is read on", () => {
  for (const args of [["--\u001b[2J"], ["x\r\ny"], ["--threads", "\u009b2J"]]) {
    // deno-lint-ignore no-control-regex
    assertEquals(/[\u0000-\u001f\u007f-\u009f]/.test(refusal(...args)), false);
  }
});
