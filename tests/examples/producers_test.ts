/**
 * The examples do what they say: producers in several languages, and the demo on the sample queue.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Consumer, openQueue } from "@optimizelyd/maildir";

const ROOT = new URL("../../", import.meta.url);

const pathOf = (path: string) => Deno.realPathSync(new URL(path, ROOT));

const PRODUCERS: readonly (readonly [interpreter: string, path: string])[] = [
  ["sh", "examples/producers/put.sh"],
  ["python3", "examples/producers/put.py"],
  ["node", "examples/producers/put.mjs"],
  ["php", "examples/producers/put.php"],
];

function isInstalled(interpreter: string): boolean {
  try {
    // Not --version, which sh doesn't know.
    new Deno.Command(interpreter, { stdin: "null", stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

/**
 * Digits no double can hold, spacing, escapes and characters beyond ASCII: what re-encoding would
 * change.
 */
const BODY = String
  .raw`{ "n" : 12345678901234567890,"x":1.0, "text": "ünï 日本 \u00fc \/ 'quoted' $HOME" }`;

for (const [interpreter, path] of PRODUCERS) {
  const installed = isInstalled(interpreter);
  Deno.test({
    name: `${path} puts an event on the queue that arrives byte for byte` +
      (installed ? "" : ` (${interpreter} is not installed)`),
    ignore: !installed,
    async fn() {
      const arrived: { body: string; id: string | null }[] = [];
      await using endpoint = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        async (request) => {
          const id = request.headers.get("idempotency-key");
          arrived.push({ body: await request.text(), id });
          return new Response(null, { status: 204 });
        },
      );
      const dir = await Deno.makeTempDir();
      try {
        const queue = await openQueue(dir, { create: true });
        const event = `{"url":"http://127.0.0.1:${endpoint.addr.port}/","requestBody":${BODY}}`;
        const producer = new Deno.Command(interpreter, {
          args: [pathOf(path), dir],
          stdin: "piped",
          stdout: "piped",
        }).spawn();
        await new Blob([event]).stream().pipeTo(producer.stdin);
        const { code, stdout } = await producer.output();
        assertEquals(code, 0);
        const name = new TextDecoder().decode(stdout).trim();

        assertEquals(await Deno.readTextFile(join(dir, "new", name)), event);
        assertEquals([...Deno.readDirSync(join(dir, "tmp"))], [], "nothing may be left in tmp/");
        const summary = await new Consumer(queue).run("until-empty");
        assertEquals(summary.delivered, 1);
        assertEquals(arrived, [{ body: BODY, id: name.replace(/\.json$/, "") }]);
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    },
  });
}

Deno.test("the sample impression is the SDK's, but for the address", async () => {
  const sample = await Deno.readTextFile(new URL("examples/queue/new/impression.json", ROOT));
  const fixture = new URL("tests/fixtures/events/v5-node-impression.json", ROOT);
  assertEquals(
    sample.replace("http://127.0.0.1:8080/", "https://logx.optimizely.com/"),
    await Deno.readTextFile(fixture),
  );
});

Deno.test("deno task demo shows what became of each event, in at most 100 columns, and leaves nothing", async () => {
  const temporary = await Deno.makeTempDir();
  try {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "demo"],
      cwd: ROOT,
      env: { TMPDIR: temporary },
      stdin: "null",
      stderr: "inherit",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text);
    for (const line of text.split("\n")) assert([...line].length <= 100, line);
    assert(!text.includes("\x1b"), "colours are for terminals");
    for (const part of ["POST /orders", "GET  /rates", "rates+1~", "broken+1@", "signup+1@"]) {
      assert(text.includes(part), `${part} must be in\n${text}`);
    }
    assertEquals([...Deno.readDirSync(temporary)], []);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
});
