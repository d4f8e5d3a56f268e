/**
 * What a Debian package of the program holds: a path for each file, and what it is made from.
 *
 * @module
 */

import { COMPLETIONS } from "../../lib/cli/completion/completion.ts";
import { manual } from "../../lib/cli/manual.ts";

/** A file of the package. */
export interface PackagedFile {
  /** Its path, from the root on. */
  readonly path: string;
  /** Its content. */
  readonly content: Uint8Array | string;
  /** Its permission bits. @default 0o644 */
  readonly mode?: number;
  /** Whether it is an administrator's to change. @default false */
  readonly isConfig?: boolean;
  /** Whether it is compressed, `.gz` at the end of its name. @default false */
  readonly isCompressed?: boolean;
}

const ROOT = new URL("../../", import.meta.url);
const DEPLOY = new URL("examples/deploy/", ROOT);

const read = (path: string, base = ROOT) => Deno.readTextFileSync(new URL(path, base));

/** Where the example of a unit expects the program, and where a package puts it. */
const LOCAL = "/usr/local/bin/optimizelyd-maildir consume ";
const PACKAGED = "/usr/bin/optimizelyd-maildir consume --config /etc/optimizelyd-maildir.toml ";

/** The unit, for the program's place in a package, and its configuration. */
export function unitText(): string {
  const example = read("optimizelyd-maildir.service", DEPLOY);
  const [, ...lines] = example.split("\n"); // the first speaks of files that lie beside it
  const text = lines.filter((line) => !line.startsWith("# add --config")).join("\n");
  if (!text.includes(LOCAL)) throw new Error(`The unit must start ${LOCAL}`);
  return text.replace(LOCAL, PACKAGED);
}

/** The example of a configuration, all of it a comment: a file to write into. */
export function configText(): string {
  const lines = read("optimizelyd-maildir.toml", DEPLOY).trimEnd().split("\n").map((line) =>
    line === "" || line.startsWith("#") ? line : `#${line}`
  );
  return [
    "# The configuration of optimizelyd-maildir.service. Nothing is set: remove a # to set something,",
    '# see that "optimizelyd-maildir config check --config FILE" takes it, then',
    '# "systemctl reload optimizelyd-maildir". Each # below hides a key, most of them at their defaults.',
    "",
    ...lines.slice(lines.indexOf("") + 1),
    "",
  ].join("\n");
}

/** What Debian wants to be told of rights. */
function copyrightText(): string {
  const license = read("LICENSE").trim().split("\n").map((line) => ` ${line.trim() || "."}`);
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: optimizelyd-maildir",
    "",
    "Files: *",
    `Copyright: ${/^Copyright (?:\(c\) )?(.*)$/m.exec(read("LICENSE"))?.[1] ?? "its authors"}`,
    "License: Expat",
    ...license,
    "",
  ].join("\n");
}

const DOC = "/usr/share/doc/optimizelyd-maildir";

/** All files, given the program. */
export function packagedFiles(program: Uint8Array): readonly PackagedFile[] {
  const pages = Array.from(Deno.readDirSync(new URL("docs/", ROOT)), ({ name }) => `docs/${name}`);
  return [
    { path: "/usr/bin/optimizelyd-maildir", content: program, mode: 0o755 },
    { path: "/etc/optimizelyd-maildir.toml", content: configText(), isConfig: true },
    { path: "/lib/systemd/system/optimizelyd-maildir.service", content: unitText() },
    {
      path: "/usr/lib/sysusers.d/optimizelyd-maildir.conf",
      content: read("optimizelyd-maildir.sysusers", DEPLOY),
    },
    {
      path: "/usr/lib/tmpfiles.d/optimizelyd-maildir.conf",
      content: read("optimizelyd-maildir.tmpfiles", DEPLOY),
    },
    { path: "/usr/share/man/man1/optimizelyd-maildir.1", content: manual(), isCompressed: true },
    {
      path: "/usr/share/bash-completion/completions/optimizelyd-maildir",
      content: COMPLETIONS.bash(),
    },
    {
      path: "/usr/share/zsh/vendor-completions/_optimizelyd-maildir",
      content: COMPLETIONS.zsh(),
    },
    {
      path: "/usr/share/fish/vendor_completions.d/optimizelyd-maildir.fish",
      content: COMPLETIONS.fish(),
    },
    { path: `${DOC}/copyright`, content: copyrightText() },
    { path: `${DOC}/changelog`, content: read("CHANGELOG.md"), isCompressed: true },
    ...["README.md", ...pages].sort().map((page) => ({
      path: `${DOC}/${page}`,
      content: read(page),
    })),
  ];
}
