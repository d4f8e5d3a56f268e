/** The real program as another user of this machine: only root can start it. */

import { type Result, resultOf } from "./program.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

/** A user that has nothing to do with root, and who need not have a name. */
export const SOMEBODY = 4242;

function isRoot(): boolean {
  try {
    return Deno.build.os === "linux" && Deno.uid() === 0 &&
      new Deno.Command("setpriv", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** Whether tests can act as another user: it takes root, and `setpriv` of util-linux. */
export const CAN_BE_SOMEBODY = isRoot();

/** A directory that another user can reach, with the program in one file that he can read. */
export interface Premises extends TempDir {
  /** The program as a process of another user, not started yet. */
  command(uid: number, args: readonly string[]): Deno.Command;
  /** Run it to its end. */
  run(uid: number, args: readonly string[]): Promise<Result>;
}

/** Make one. */
export async function premises(): Promise<Premises> {
  const dir = await tempDir();
  Deno.chmodSync(dir.path, 0o755);
  Deno.mkdirSync(`${dir.path}/deno`);
  Deno.chmodSync(`${dir.path}/deno`, 0o777);
  const program = `${dir.path}/cli.js`;
  const entry = new URL("../../cli.ts", import.meta.url).pathname;
  const bundle = ["bundle", "--quiet", "--frozen", `--output=${program}`, entry];
  await new Deno.Command(Deno.execPath(), { args: bundle }).output();
  Deno.chmodSync(program, 0o644);
  const command = (uid: number, args: readonly string[]) =>
    new Deno.Command("setpriv", {
      args: [
        `--reuid=${uid}`,
        `--regid=${uid}`,
        "--clear-groups",
        Deno.execPath(),
        ...["run", "--no-prompt", "--quiet", "--allow-all", program],
        ...args,
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { DENO_DIR: `${dir.path}/deno`, OPTIMIZELYD_BASE_DIR: "", NO_COLOR: "1" },
    });
  return {
    path: dir.path,
    command,
    run: (uid, args) => resultOf(command(uid, args).spawn()),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** A directory inside that is a user's own. */
export function ownDir(parent: string, name: string, uid: number, mode = 0o700): string {
  const path = `${parent}/${name}`;
  Deno.mkdirSync(path);
  Deno.chmodSync(path, mode);
  Deno.chownSync(path, uid, uid);
  return path;
}
