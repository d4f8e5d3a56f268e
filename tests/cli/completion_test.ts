/** Completions and the manual page: they hold all there is, and the shells take them. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMPLETIONS } from "../../lib/cli/completion/completion.ts";
import { EXIT } from "../../lib/cli/exit_code.ts";
import { manual } from "../../lib/cli/manual.ts";
import { SHELLS, USAGES } from "../../lib/cli/usage.ts";
import { COMMANDS } from "../../lib/config/option.ts";
import { OPTIONS } from "../../lib/config/schema.ts";
import { isInstalled } from "../support/certificates.ts";
import { runHere } from "../support/in_process.ts";
import { tempDir } from "../support/temp_dir.ts";

/** Run a program on a text, and say what it prints; its errors are this test's. */
async function feed(program: string, args: readonly string[], text: string): Promise<string> {
  await using dir = await tempDir();
  const path = `${dir.path}/text`;
  await Deno.writeTextFile(path, text);
  const command = new Deno.Command(program, {
    args: [...args, path],
    env: { HOME: dir.path, LC_ALL: "C.UTF-8", OPTIMIZELYD_BASE_DIR: "" },
  });
  const { success, stdout, stderr } = await command.output();
  const said = new TextDecoder().decode(stderr);
  assert(success && said === "", said);
  return new TextDecoder().decode(stdout);
}

Deno.test("every shell's completion holds each command, and each option with each of its commands", async () => {
  for (const shell of SHELLS) {
    const { code, stdout } = await runHere(["completion", shell]);
    assertEquals([code, stdout], [0, COMPLETIONS[shell]()]);
    for (const command of COMMANDS) assertStringIncludes(stdout, command);
    for (const { name } of OPTIONS) {
      assertStringIncludes(stdout, shell === "fish" ? ` -l ${name}` : `--${name}`);
    }
  }
  const unknown = await runHere(["completion", "tcsh"]);
  assertEquals(unknown.code, 64);
  assertStringIncludes(unknown.stderr, 'followed by bash, zsh, fish, current value is "tcsh"');
});

Deno.test({
  name: "bash completes commands, options, values, files and destinations",
  ignore: !isInstalled("bash"),
  async fn() {
    await using dir = await tempDir();
    const base = `${dir.path}/q`;
    await Deno.mkdir(`${base}/defer/http_a.test_80`, { recursive: true });
    await Deno.writeTextFile(`${dir.path}/queue.toml`, "");
    const lines: readonly (readonly [words: string, expected: string])[] = [
      ["''", COMMANDS.join(" ")],
      ["st", "status"],
      ["--tim", "--timeout"],
      ["check --max-", "--max-age --max-dead --max-down"],
      ["consume --log-format ''", "text json"],
      ["consume --log-format = j", "json"],
      ["consume --merge ''", "optimizely"],
      [`hold --base-dir ${base} ''`, "http_a.test_80"],
      [`resume --base-dir = ${base} ht`, "http_a.test_80"],
      [`--base-dir status config ''`, "check show"],
      [`consume --config ${dir.path}/qu`, `${dir.path}/queue.toml`],
    ];
    const driver = lines.map(([words]) =>
      `COMP_WORDS=(optimizelyd-maildir ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))\n` +
      `COMPREPLY=(); _optimizelyd_maildir; echo "\${COMPREPLY[*]}"\n`
    ).join("");
    const shown = await feed("bash", ["--norc"], COMPLETIONS.bash() + driver);
    assertEquals(shown.trimEnd().split("\n"), lines.map(([, expected]) => expected));
  },
});

for (const [shell, args] of [["zsh", ["-n"]], ["fish", ["--no-execute"]]] as const) {
  Deno.test({
    name: `${shell} can read its completion`,
    ignore: !isInstalled(shell),
    async fn() {
      assertEquals(await feed(shell, args, COMPLETIONS[shell]()), "");
    },
  });
}

Deno.test("the manual page holds each command, option and exit code, and every line is text or a macro", () => {
  const page = manual();
  const text = page.replaceAll("\\-", "-").replaceAll(/\\f[BIR]/g, "").replaceAll("\\&", "");
  for (const command of COMMANDS) assertStringIncludes(text, `\n.SS ${USAGES[command].usage}\n`);
  for (const { name } of OPTIONS) assertStringIncludes(text, `\n--${name}`);
  for (const code of Object.values(EXIT)) assertStringIncludes(text, `\n${code}\n`);
  const macros = new Set(page.match(/^[.'].*$/gm)?.map((line) => line.split(" ")[0]));
  const known = [".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".br", ".nf", ".fi", ".RS", ".RE"];
  assertEquals([...macros].filter((macro) => !known.includes(macro!)), []);
});

Deno.test({
  name: "groff sets the manual page without a warning",
  ignore: !isInstalled("groff"),
  async fn() {
    const shown = await feed("groff", ["-man", "-Tutf8", "-ww"], manual());
    assertStringIncludes(shown, "deliver events over HTTP from a directory");
  },
});
