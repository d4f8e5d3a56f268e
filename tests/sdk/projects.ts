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

const NPM_INSTALL = ["install", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];

/** The applications, once a run. */
export class Projects {
  readonly #dir = Deno.makeTempDirSync({ prefix: "maildir-sdk-" });
  readonly #tarball = pack(join(this.#dir, "dist"), ["--allow-dirty"]);
  readonly #made = new Map<string, Promise<string>>();

  /** The packed package. */
  get tarball(): Promise<string> {
    return this.#tarball;
  }

  /** The directory of the application with SDK `major`. */
  sdk(major: Major): Promise<string> {
    return this.#once(`v${major}`, [`@optimizely/optimizely-sdk@${SDKS[major]}`], true);
  }

  /** The directory with the TypeScript compiler. */
  typescript(): Promise<string> {
    return this.#once("typescript", ["typescript@5.9.3"], false);
  }

  /** Begin to make all of them, in parallel. */
  begin(): void {
    for (const making of [this.typescript(), this.sdk(4), this.sdk(5), this.sdk(6)]) {
      making.catch(() => {}); // the test that needs it hears of it
    }
  }

  /** Remove them. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#made.values());
    Deno.removeSync(this.#dir, { recursive: true });
  }

  #once(name: string, packages: readonly string[], withOurs: boolean): Promise<string> {
    let made = this.#made.get(name);
    if (made === undefined) this.#made.set(name, made = this.#make(name, packages, withOurs));
    return made;
  }

  async #make(name: string, packages: readonly string[], withOurs: boolean): Promise<string> {
    const dir = join(this.#dir, name);
    Deno.mkdirSync(dir);
    Deno.writeTextFileSync(join(dir, "package.json"), `{"type":"module"}`);
    const ours = withOurs ? [await this.#tarball] : [];
    await succeed("npm", [...NPM_INSTALL, ...ours, ...packages], dir);
    for (const file of ["producer.mjs", "types_v45.ts", "types_v6.ts", "types_api.ts"]) {
      Deno.copyFileSync(join(HERE, file), join(dir, file));
    }
    const datafile = "optimizely-datafile.json";
    Deno.copyFileSync(join(HERE, "..", "..", "fixtures", datafile), join(dir, datafile));
    return dir;
  }
}
