/**
 * `deno task pack:check`: installs the npm package as others will, and tries it: publint and
 * are-the-types-wrong find nothing, three compilers take its types by every way to resolve them,
 * and the tests of `examples/testing` pass in Jest, Vitest and Node's own runner.
 *
 * It installs some hundred megabytes from npm, so it isn't among the tests.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { ToolError } from "./compile/child.ts";
import { pack } from "./pack.ts";
import { complain, print } from "./report.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
const EXAMPLES = join(ROOT, "examples", "testing");

const TYPESCRIPTS = { "typescript-5.6": "5.6", "typescript-5.9": "5.9", "typescript-6.0": "6.0" };

const TOOLS = {
  ...Object.fromEntries(
    Object.entries(TYPESCRIPTS).map(([name, version]) => [name, `npm:typescript@~${version}`]),
  ),
  "@arethetypeswrong/cli": "^0.18",
  "@types/node": "^20",
  jest: "^29",
  publint: "^0.3",
  vitest: "^3",
};

/** A program that uses the package, as a module or not, by its types alone. */
const PROGRAM =
  `import { Consumer, openQueue, Queue, type QueueStatus, status } from "@optimizelyd/maildir";
import { drain, expectDelivered, temporaryQueue } from "@optimizelyd/maildir/testing";
export async function example(): Promise<QueueStatus> {
  const queue: Queue = await openQueue("queue", { create: true });
  const id: string = queue.enqueueSync({ url: "https://a.example/", requestBody: { id: 1 } });
  // @ts-expect-error: the types are there, or this would be no error
  queue.enqueueSync({ requestBody: id });
  await new Consumer(queue, { trace: (event) => console.log(event.type) }).run("until-empty");
  const temporary = await temporaryQueue();
  expectDelivered(await drain(temporary.queue, ({ body }) => body === "" ? 204 : 503), [{ id }]);
  temporary.remove();
  return await status(queue);
}
`;

/** Ways to compile: what the compiler is told, and which files. */
const COMPILED: readonly (readonly [options: readonly string[], files: readonly string[]])[] = [
  [["--module", "node16"], ["a.mts", "b.cts", "c.ts"]],
  [["--module", "nodenext"], ["a.mts", "b.cts", "c.ts"]],
  [["--module", "commonjs", "--moduleResolution", "node10"], ["c.ts"]],
  [["--module", "esnext", "--moduleResolution", "bundler"], ["c.ts"]],
];

/** Where the types of the world come from. */
const LIBRARIES = [["--lib", "es2022", "--types", "node"], [
  "--lib",
  "es2022,dom",
  "--typeRoots",
  "none",
]];

async function check(what: string, dir: string, command: readonly string[]): Promise<boolean> {
  const [program, ...args] = command as [string, ...string[]];
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd: dir }).output();
  print(`${success ? "ok    " : "FAILED"} ${what}`);
  if (!success) print([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n"));
  return success;
}

async function install(dir: string, tarball: string): Promise<void> {
  const manifest = {
    private: true,
    dependencies: { "@optimizelyd/maildir": `file:${tarball}` },
    devDependencies: TOOLS,
  };
  await Deno.writeTextFile(join(dir, "package.json"), JSON.stringify(manifest));
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
  const { success, stderr } = await new Deno.Command("npm", { args, cwd: dir }).output();
  if (!success) throw new ToolError(`npm failed: ${new TextDecoder().decode(stderr).trim()}`);
}

async function checkTypes(dir: string): Promise<boolean[]> {
  for (const file of ["a.mts", "b.cts", "c.ts"]) await Deno.writeTextFile(join(dir, file), PROGRAM);
  const all: boolean[] = [];
  for (const [name, version] of Object.entries(TYPESCRIPTS)) {
    for (const [options, files] of COMPILED) {
      // from 6.0 on there is no node10
      if (version === "6.0" && options.includes("node10")) continue;
      for (const library of LIBRARIES) {
        const told = [...options, ...library, ...files];
        const tsc = ["node", `node_modules/${name}/bin/tsc`, "--noEmit", "--strict"];
        const strict = ["--exactOptionalPropertyTypes", "--target", "es2022"];
        all.push(
          await check(`tsc ${version} ${told.join(" ")}`, dir, [...tsc, ...strict, ...told]),
        );
      }
    }
  }
  return all;
}

async function checkRunners(dir: string): Promise<boolean[]> {
  for (const file of ["orders.mjs", "orders.test.mjs", "orders.test.cjs"]) {
    await Deno.copyFile(join(EXAMPLES, file), join(dir, file));
  }
  const text = await Deno.readTextFile(join(dir, "orders.test.mjs"));
  await Deno.writeTextFile(join(dir, "vi.test.mjs"), text.replace("node:test", "vitest"));
  const jest = ["--rootDir=.", "--testRegex=orders\\.test\\.cjs$"];
  return [
    await check("node --test", dir, ["node", "--test", "orders.test.mjs"]),
    await check("Jest 29", dir, ["node_modules/.bin/jest", ...jest]),
    await check("Vitest", dir, ["node_modules/.bin/vitest", "run", "vi.test.mjs"]),
  ];
}

async function checkPackage(flags: readonly string[]): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "pack-check-" });
  try {
    const tarball = await pack(join(dir, "dist"), flags);
    await install(dir, tarball);
    const all = [
      await check("publint", dir, ["node_modules/.bin/publint", "--strict", tarball]),
      await check("are the types wrong", dir, ["node_modules/.bin/attw", tarball]),
      ...await checkTypes(dir),
      ...await checkRunners(dir),
    ];
    if (!all.every(Boolean)) throw new ToolError("the package is not as it should be");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    await checkPackage(Deno.args);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    complain(`pack:check: ${error.message}`);
    Deno.exit(1);
  }
}
