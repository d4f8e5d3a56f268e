/** The packed npm package beside the real SDKs, under Node and Deno. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { basename, dirname, fromFileUrl, join } from "@std/path";
import { Consumer, openQueue } from "../../mod.ts";
import { startEndpoint, type Taken } from "../support/endpoint.ts";
import { brokenLinks, pagesBelow } from "../support/markdown.ts";
import { type Major, Projects, run, succeed } from "./projects.ts";
import { namesIn, tempDir } from "../support/temp_dir.ts";

const projects = new Projects();
projects.begin();
const proofs: (() => Promise<void>)[] = [];
let started: readonly Promise<void>[] | undefined;

/** All applications run at the same time, once the first is asked for. */
function proof(at: number): Promise<void> {
  started ??= proofs.map((prove) => {
    const proving = prove();
    proving.catch(() => {}); // its own test hears of it
    return proving;
  });
  return started[at]!;
}

Deno.test.afterAll(async () => {
  await Promise.allSettled(started ?? []);
  await projects.end();
});

const MAJORS: readonly Major[] = [4, 5, 6];

/** How to start a module in an application's directory. */
const PROGRAMS: Record<string, readonly [program: string, ...args: string[]]> = {
  Node: ["node"],
  Deno: [Deno.execPath(), "run", "--quiet", "--no-prompt", "--node-modules-dir=manual", "-A"],
};

/** The ids of the events in a batch; throws on what a strict endpoint would refuse. */
function uuidsIn({ method, path, headers, body }: Taken): string[] {
  assertEquals([method, path], ["POST", "/v1/events"]);
  assertEquals(headers.get("content-type"), "application/json");
  const batch = JSON.parse(body);
  assert(typeof batch.account_id === "string" && typeof batch.client_version === "string");
  const uuids: string[] = [];
  for (const { visitor_id, snapshots } of batch.visitors) {
    assertMatch(visitor_id, /^user-ünï-日本-😀-\d+$/);
    for (const { events } of snapshots) {
      for (const { uuid, key, timestamp } of events) {
        assertMatch(key, /^(campaign_activated|event1)$/);
        assert(Number.isInteger(timestamp));
        uuids.push(uuid);
      }
    }
  }
  return uuids;
}

/**
 * Deliver a queue to a strict endpoint; the bodies that arrived, sorted, and the events in them.
 */
async function deliver(base: string, endpoint: ReturnType<typeof startEndpoint>) {
  const { delivered, dead } = await new Consumer(await openQueue(base)).run("until-empty");
  assertEquals([delivered, dead], [endpoint.taken.length, 0]);
  return {
    bodies: endpoint.taken.map(({ body }) => body).sort(),
    uuids: endpoint.taken.flatMap(uuidsIn),
  };
}

/** Run an application, deliver what it spooled, and compare. */
async function prove(
  major: Major,
  [program, ...args]: readonly string[],
  ending: "close" | "exit",
  users: number,
  batch: number,
): Promise<void> {
  const dir = await projects.sdk(major);
  await using queue = await tempDir();
  await using endpoint = startEndpoint((request) => {
    uuidsIn(request); // throws: 500, and the event doesn't count as delivered
    return new Response(null, { status: 204 });
  });
  const base = join(queue.path, "spool");
  const handed = join(queue.path, "handed");
  const url = `${endpoint.url}/v1/events`;
  const said = await succeed(program!, [
    ...args,
    ...["producer.mjs", `${major}`, ending, `${users}`, `${batch}`, base, url, handed],
  ], dir);
  assertEquals(said.trim(), ending === "close" ? "closed" : "");
  const { bodies, uuids } = await deliver(base, endpoint);
  assertEquals(bodies, Deno.readTextFileSync(handed).trimEnd().split("\n").sort());
  assertEquals([uuids.length, new Set(uuids).size], [2 * users, 2 * users]);
}

for (const major of MAJORS) {
  for (const [name, [program, ...args]] of Object.entries(PROGRAMS)) {
    for (const [ending, users, batch] of [["close", 250, 7], ["exit", 25, 1]] as const) {
      const sentence = ending === "close"
        ? `500 decisions and conversions are spooled and all arrive unchanged, and close() returns`
        : `a process that exits right after its last event loses none`;
      const at = proofs.push(() => prove(major, [program!, ...args], ending, users, batch)) - 1;
      Deno.test(`${sentence} (SDK ${major}, ${name})`, () => proof(at));
    }
  }

  Deno.test(`the types fit those of the SDK (SDK ${major})`, async () => {
    const [all, dir] = [await checkedTypes(), await projects.sdk(major)];
    assertEquals(all.filter((line) => line.startsWith(`${basename(dir)}/`)), []);
  });
}

let checking: Promise<readonly string[]> | undefined;

/** What the compiler says about the applications, all in one go: it reads its own library once. */
function checkedTypes(): Promise<readonly string[]> {
  checking ??= (async () => {
    const files = await Promise.all(MAJORS.map(async (major) =>
      join(
        basename(await projects.sdk(major)),
        major === 6 ? "types_v6.ts" : "types_v45.ts",
      )
    ));
    const root = dirname(await projects.sdk(4));
    return await typeCheck(root, ["--skipLibCheck", ...files]);
  })();
  return checking;
}

/** What the compiler finds, line by line: those that begin with a path are of that file. */
async function typeCheck(dir: string, args: readonly string[]): Promise<readonly string[]> {
  const tsc = join(await projects.typescript(), "node_modules", "typescript", "bin", "tsc");
  const { code, stdout, stderr } = await run("node", [
    tsc,
    ...["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", "nodenext"],
    ...["--lib", "es2022,dom", ...args],
  ], dir);
  const found = stdout.split("\n").filter((line) => line !== "");
  assert(code === 0 || found.length > 0, `tsc ended with ${code}: ${stderr}`);
  for (const line of found) assertMatch(line, /^(?:v[456]\/|types_\w+\.ts|\s)/);
  return found;
}

Deno.test("the package's own types are whole", async () => {
  assertEquals(await typeCheck(await projects.sdk(4), ["types_api.ts"]), []);
});

/** What may be in the package. */
const PACKAGED = [
  /^(?:package\.json|LICENSE|[A-Z]+\.md|docs\/[a-z]+\.md)$/,
  /^examples\/(?:README\.md|producers\/put\.\w+|sdk\/\w+\.\w+)$/,
  /^examples\/testing\/orders(?:_test\.ts|(?:\.test)?\.[cm]js)$/,
  /^(?:bin\/[a-z-]+\.mjs|(?:mod|testing)\.(?:js|d\.ts)|lib\/[\w/]+\.(?:js|d\.ts))$/,
  /^cjs\/(?:package\.json|(?:all|mod|testing)\.js|[\w/]+\.d\.ts)$/,
];

Deno.test("the package has no dependencies, no tests, no sources and no paths of the machine it was made on", async () => {
  const package_ = join(await projects.sdk(4), "node_modules", "@optimizelyd", "maildir");
  const { dependencies, bin } = JSON.parse(Deno.readTextFileSync(join(package_, "package.json")));
  assertEquals(dependencies, undefined);
  assertEquals(Object.keys(bin), ["optimizelyd-maildir"]);
  const listing = await succeed("tar", ["-tzf", await projects.tarball], ".");
  for (const file of listing.trim().split("\n")) {
    assert(PACKAGED.some((pattern) => pattern.test(file.replace(/^package\//, ""))), file);
    const text = Deno.readTextFileSync(file.replace("package", package_));
    assert(!/file:\/\/\/(?!etc\/)|\/root\/|\/home\/\w+\/|\.cache\//.test(text), file);
  }
});

Deno.test("the package brings its pages, and their links lead somewhere in it", async () => {
  const package_ = join(await projects.sdk(4), "node_modules", "@optimizelyd", "maildir");
  const pages = pagesBelow(package_);
  for (const page of ["README.md", "docs/format.md", "examples/README.md"]) {
    assert(pages.includes(page), page);
  }
  assertEquals(brokenLinks(package_, pages), []);
});

Deno.test("what is imported and what is required work on one queue on Node", async () => {
  const dir = await projects.sdk(4);
  await using queue = await tempDir();
  const script = `import { createRequire } from "node:module";
    import * as imported from "@optimizelyd/maildir";
    import * as testing from "@optimizelyd/maildir/testing";
    const require = createRequire(import.meta.url);
    const required = require("@optimizelyd/maildir");
    const { drain } = require("@optimizelyd/maildir/testing");
    const sameNames = (a, b) => Object.keys(a).sort().join() === Object.keys(b).sort().join();
    console.log(sameNames(imported, required), sameNames(testing, require("@optimizelyd/maildir/testing")));
    const queue = await imported.openQueue(${JSON.stringify(queue.path)}, { create: true });
    await queue.enqueue({ url: "https://a.example/", requestBody: 1 });
    const { deferred } = await drain(queue, () => 503);
    const consumer = new required.Consumer(queue, { pollMs: 10 });
    console.log(deferred.length, typeof consumer.settings.current.leaseMs);`;
  const { stdout, stderr } = await run("node", ["--input-type=module", "-e", script], dir);
  assertEquals([stdout, stderr], ["true true\n1 number\n", ""]);
});

Deno.test("an application's tests are those of the example, in Node's runner", async () => {
  const dir = await projects.sdk(4);
  const examples = fromFileUrl(new URL("../../examples/testing/", import.meta.url));
  for (const file of ["orders.mjs", "orders.test.mjs"]) {
    await Deno.copyFile(join(examples, file), join(dir, file));
  }
  const { code, stdout } = await run("node", ["--test", "orders.test.mjs"], dir);
  assertEquals(code, 0, stdout);
});

Deno.test("client, status, requeue and consume work on Node", async () => {
  const dir = await projects.sdk(4);
  await using queue = await tempDir();
  const base = join(queue.path, "queue");
  await using endpoint = startEndpoint(({ path }) =>
    new Response(null, { status: path === "/dead" ? 404 : 204 })
  );
  const program = (args: readonly string[], input?: string) =>
    run("node_modules/.bin/optimizelyd-maildir", [...args, "--base-dir", base], dir, input);
  const line = (path: string) =>
    `${JSON.stringify({ url: endpoint.url + path, requestBody: { user: "日本" } })}\n`;

  const put = await program(["client", "-"], line("/ok").repeat(100) + line("/dead"));
  assertEquals([put.code, put.stdout.trim().split("\n").length], [0, 101]);
  const consumed = await program(["consume", "--until-empty", "--threads", "4"]);
  assertEquals(consumed.code, 0, consumed.stderr);
  assertEquals(endpoint.taken.length, 101);
  const { dead, ready } = JSON.parse((await program(["status", "--json"])).stdout);
  assertEquals([dead, ready], [1, 0]);
  assertEquals((await program(["requeue", "--all"])).code, 0);
  assertEquals(namesIn(join(base, "new")).length, 1);
  assertEquals((await program(["nonsense"])).code, 64);
});
