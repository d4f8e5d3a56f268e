/**
 * A queue that several users share, tried by several users: only root can become them.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { startEndpoint } from "../support/endpoint.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

const GROUP = 64_000;
const [CONSUMER, PRODUCER, OTHER] = [64_001, 64_002, 64_003];
const OUTSIDER = { uid: 64_004, gid: 64_004 };

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A directory that everybody may enter, with the program in it. */
async function stage() {
  const dir = await tempDir();
  Deno.chmodSync(dir.path, 0o755);
  Deno.mkdirSync(`${dir.path}/spool`);
  Deno.chownSync(`${dir.path}/spool`, CONSUMER, GROUP);
  const program = `${dir.path}/program.mjs`;
  const bundled = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--frozen", `--output=${program}`, "cli.ts"],
    cwd: ROOT,
  }).output();
  assert(bundled.success, new TextDecoder().decode(bundled.stderr));
  Deno.chmodSync(program, 0o644);
  const base = `${dir.path}/spool/q`;
  /** What a shell says to a user of the group, whose umask is as given. */
  const shell = async (
    user: number,
    script: string,
    { gid = GROUP, umask = "077" } = {},
  ): Promise<Ended> => {
    const { code, stdout, stderr } = await new Deno.Command("setpriv", {
      args: [
        `--reuid=${user}`,
        `--regid=${gid}`,
        "--clear-groups",
        "sh",
        "-c",
        `umask ${umask}; cd ${base} 2>&1; ${script}`,
      ],
      env: { DENO_DIR: `${dir.path}/cache-${user}`, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      cwd: dir.path,
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  };
  for (const user of [CONSUMER, PRODUCER, OTHER, OUTSIDER.uid]) {
    Deno.mkdirSync(`${dir.path}/cache-${user}`);
    Deno.chownSync(`${dir.path}/cache-${user}`, user, GROUP);
  }
  const run = (user: number, args: string, options?: { gid?: number; umask?: string }) => {
    const flags = "-A --no-prompt --no-config --no-lock --quiet";
    const script = `${Deno.execPath()} run ${flags} ${program} ${args} --base-dir ${base}`;
    return shell(user, script, options);
  };
  return { [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](), base, shell, run };
}

const modeOf = (path: string) => (Deno.lstatSync(path).mode! & 0o7777).toString(8);

function modesIn(base: string): Record<string, string> {
  const names = namesIn(base).map((name) => [name, modeOf(`${base}/${name}`)]);
  return { ".": modeOf(base), ...Object.fromEntries(names) };
}

const asRoot = {
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  permissions: "inherit",
} as const;

Deno.test({
  ...asRoot,
  name: "--group makes a queue that its group may enter, and nobody else, whatever the umask",
  async fn() {
    await using at = await stage();
    for (const umask of ["077", "000"]) {
      const made = await at.run(CONSUMER, "consume --once --group", { umask });
      assertEquals([made.code, modesIn(at.base)], [0, {
        ".": "2770",
        cur: "2770",
        defer: "2770",
        doa: "2770",
        new: "2770",
        res: "2770",
        tmp: "2770",
      }]);
      const url = "--url http://127.0.0.1:1234/";
      assertEquals((await at.run(PRODUCER, `client ${url}`, { umask })).code, 0);
      const [event] = namesIn(`${at.base}/new`);
      assertEquals(modeOf(`${at.base}/new/${event}`), "660");
      const outside = await at.run(OUTSIDER.uid, `client ${url}`, { umask, gid: OUTSIDER.gid });
      assertEquals(outside.code, 77);
      await Deno.remove(at.base, { recursive: true });
    }
  },
});

Deno.test({
  ...asRoot,
  name: "--group=drop lets producers add events, and neither see nor remove any but their own",
  async fn() {
    await using at = await stage();
    await using endpoint = startEndpoint();
    const made = await at.run(CONSUMER, "consume --once --group=drop");
    assertEquals([made.code, modesIn(at.base)], [0, {
      ".": "710",
      cur: "700",
      defer: "700",
      doa: "700",
      new: "1733",
      res: "700",
      tmp: "1733",
    }]);
    await Deno.chmod(at.base, 0o2770);
    const again = await at.run(CONSUMER, "consume --once --group=drop");
    assertEquals([again.code, modesIn(at.base)["."]], [0, "710"]);
    const first = await at.run(PRODUCER, `client --url ${endpoint.url}/a --body 1`);
    assertEquals([first.code, first.err], [0, ""]);
    const many = await at.shell(
      PRODUCER,
      `echo '{"url":"${endpoint.url}/b"}' > tmp/by-hand && chmod 644 tmp/by-hand && ` +
        `ln tmp/by-hand new/by-hand && rm tmp/by-hand`,
    );
    assertEquals([many.code, many.err], [0, ""]);
    const event = `${first.out.trim()}.json`;
    assertEquals(namesIn(`${at.base}/new`), [event, "by-hand"].sort());
    assertEquals(namesIn(`${at.base}/tmp`), []);

    const forbidden = [
      "ls .",
      "ls new",
      "ls tmp",
      "ls cur",
      `rm -f new/${event}`,
      `mv new/${event} new/other`,
      `mv new/${event} tmp/other`,
      `echo > new/${event}`,
      "mkdir extra",
      "mv new newer",
      "mv defer deferred",
      "touch doa/x",
    ];
    for (const script of forbidden) {
      assertNotEquals([script, (await at.shell(OTHER, script)).code], [script, 0]);
    }
    const outside = await at.run(OUTSIDER.uid, `client --url ${endpoint.url}/`, {
      gid: OUTSIDER.gid,
    });
    assertEquals(outside.code, 77);
    assertEquals(namesIn(`${at.base}/new`), [event, "by-hand"].sort());

    const ended = await at.run(CONSUMER, "consume --until-empty");
    assertEquals(ended.code, 0);
    assertMatch(ended.err, /delivered=2 /);
    assertEquals(endpoint.taken.length, 2);
    assertEquals(modesIn(at.base)["."], "710");
  },
});
