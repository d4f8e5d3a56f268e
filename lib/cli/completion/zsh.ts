/**
 * The completion for zsh.
 *
 * @module
 */

import type { Words } from "../usage.ts";
import { SPELLED, type SpelledCommand, type SpelledOption, type Value, VALUED } from "./spelled.ts";

/** Within single quotes. */
const quoted = (text: string) => text.replaceAll("'", "'\\''");

/** Within the brackets of a specification. */
const bracketed = (text: string) => quoted(text.replaceAll(/[[\]\\:]/g, "\\$&"));

function valueSpec(value: Value): string {
  switch (value.is) {
    case "none":
      return "";
    case "file":
      return `:${quoted(value.name)}:_files`;
    case "directory":
      return `:${quoted(value.name)}:_files -/`;
    case "word":
      return `:${bracketed(value.name)}:(${quoted(value.words.join(" "))})`;
    case "any":
      return `:${bracketed(value.name)}: `;
  }
}

function optionSpec({ name, help, value }: SpelledOption): string {
  const equals = value.is === "none" ? "" : "=";
  return `      '*${name}${equals}[${bracketed(help)}]${valueSpec(value)}'\n`;
}

function wordsSpec(words: Words): string {
  switch (words.are) {
    case "none":
      return "";
    case "files":
      return "'*:file:_files'";
    case "destinations":
      return "'*:destination:_optimizelyd_maildir_destinations'";
    case "words":
      return `'2:what:(${words.words.join(" ")})'`;
  }
}

function commandCase({ name, options, words }: SpelledCommand): string {
  return `    ${name}) specs=(
${options.map(optionSpec).join("")}      ${wordsSpec(words)}
    ) ;;
`;
}

/** The script. */
export function zshCompletion(): string {
  return `\
#compdef optimizelyd-maildir
# Completion of optimizelyd-maildir for zsh: put it into a folder of $fpath, as _optimizelyd-maildir.

_optimizelyd_maildir_commands() {
  local -a commands=(
${SPELLED.map(({ name, summary }) => `    '${name}:${quoted(summary)}'\n`).join("")}  )
  _describe command commands
}

_optimizelyd_maildir_destinations() {
  local -a destinations=(\${base:-\${OPTIMIZELYD_BASE_DIR:-.}}/defer/*(N/:t))
  compadd -a destinations
}

_optimizelyd_maildir() {
  local command base previous word
  local -a specs
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == --base-dir=* ]] && base=\${word#*=}
    case $previous in
      --base-dir) base=$word previous= ;;
      ${VALUED.filter((name) => name !== "--base-dir").join("|")}) previous= ;;
      *)
        previous=$word
        case $word in
          ${SPELLED.map(({ name }) => name).join("|")}) : \${command:=$word} ;;
        esac ;;
    esac
  done
  case \${command:-consume} in
${SPELLED.map(commandCase).join("")}  esac
  _arguments -S $specs '1:command:_optimizelyd_maildir_commands'
}

if [[ $funcstack[1] == _optimizelyd-maildir ]]; then
  _optimizelyd_maildir "$@"
else
  compdef _optimizelyd_maildir optimizelyd-maildir
fi
`;
}
