/**
 * Applications beside the real SDKs: a directory for each, with the SDK and our packed package
 * installed.
 */

import { assert } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { pack } from "../../tools/pack.ts";

const HERE = fromFileUrl(new URL("app/", import.meta.url));

/** The SDKs, by major version. */
export const SDKS = { 4: "4.10.1", 5: "5.4.1", 6: "6.6.1" } as const;

/** A major version. */
export type Major = keyof typeof SDKS;

/** What a program left behind. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  input = "",
): Promise<Result> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", npm_config_update_notifier: "false" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const feeding = new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await feeding;
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** As {@linkcode run}, for what must go well; its standard output. */
export async function succeed(program: string, args: readonly string[], cwd: string) {
  const { code, stdout, stderr } = await run(program, args, cwd);
  assert(code === 0, `${program} ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

const NPM_INSTALL = ["install", "--install-strategy=nested", "--prefer-offline"];
NPM_INSTALL.push("--ignore-scripts", "--no-audit", "--no-fund");

/** The directories of an installation, with what is to be in each. */
type Installed = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * Install into several directories at once, as if into each by itself: a workspace, which is none
 * any more afterwards.
 */
async function install(dir: string, installed: Installed): Promise<void> {
  const root = { private: true, workspaces: Object.keys(installed) };
  Deno.writeTextFileSync(join(dir, "package.json"), JSON.stringify(root));
  for (const [name, dependencies] of Object.entries(installed)) {
    Deno.mkdirSync(join(dir, name));
    const own = { name, version: "1.0.0", type: "module", dependencies };
    Deno.writeTextFileSync(join(dir, name, "package.json"), JSON.stringify(own));
  }
  await succeed("npm", NPM_INSTALL, dir);
  for (const name of ["package.json", "package-lock.json", "node_modules"]) {
    Deno.removeSync(join(dir, name), { recursive: true });
  }
}

/** The applications, once a run. */
export class Projects {
  readonly #dir = Deno.makeTempDirSync({ prefix: "maildir-sdk-" });
  readonly #tarball = pack(join(this.#dir, "dist"), ["--allow-dirty"]);
  #made: Promise<void> | undefined;

  /** The packed package. */
  get tarball(): Promise<string> {
    return this.#tarball;
  }

  /** The directory of the application with SDK `major`. */
  async sdk(major: Major): Promise<string> {
    await this.begin();
    return join(this.#dir, `v${major}`);
  }

  /** The directory with the TypeScript compiler. */
  async typescript(): Promise<string> {
    await this.begin();
    return join(this.#dir, "typescript");
  }

  /** Make all of them. */
  begin(): Promise<void> {
    this.#made ??= this.#make();
    this.#made.catch(() => {}); // the test that needs it hears of it
    return this.#made;
  }

  /** Remove them. */
  async end(): Promise<void> {
    await Promise.allSettled([this.#made]);
    Deno.removeSync(this.#dir, { recursive: true });
  }

  async #make(): Promise<void> {
    const ours = { "@optimizelyd/maildir": `file:${await this.#tarball}` };
    const apps = Object.entries(SDKS).map(([major, version]) =>
      [`v${major}`, { ...ours, "@optimizely/optimizely-sdk": version }] as const
    );
    await install(this.#dir, {
      ...Object.fromEntries(apps),
      typescript: { typescript: "5.9.3" },
    });
    const datafile = "optimizely-datafile.json";
    for (const [app] of apps) {
      const dir = join(this.#dir, app);
      for (const file of ["producer.mjs", "types_v45.ts", "types_v6.ts", "types_api.ts"]) {
        Deno.copyFileSync(join(HERE, file), join(dir, file));
      }
      Deno.copyFileSync(join(HERE, "..", "..", "fixtures", datafile), join(dir, datafile));
    }
  }
}
