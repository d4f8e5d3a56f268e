/**
 * The completion for bash.
 *
 * @module
 */

import type { Words } from "../usage.ts";
import { SPELLED, type SpelledCommand, type Value, VALUED } from "./spelled.ts";

const FILES = 'compgen -f -- "$current"';

function valueReply(value: Value): string {
  switch (value.is) {
    case "file":
      return FILES;
    case "directory":
      return 'compgen -d -- "$current"';
    case "word":
      return `compgen -W '${value.words.join(" ")}' -- "$current"`;
    default:
      return ":";
  }
}

function wordsReply(words: Words): string {
  switch (words.are) {
    case "files":
      return FILES;
    case "destinations":
      return 'compgen -W "$(ls "$base/defer" 2>/dev/null)" -- "$current"';
    case "words":
      return `compgen -W '${words.words.join(" ")}' -- "$current"`;
    case "none":
      return ":";
  }
}

function valueCases({ name, options }: SpelledCommand): string {
  return options.filter(({ value }) => value.is !== "none").map((option) =>
    `    ${name}:${option.name}) ${valueReply(option.value)}; return ;;\n`
  ).join("");
}

function commandCase({ name, options, words }: SpelledCommand): string {
  return `    ${name})
      options='${options.map(({ name }) => name).join(" ")}'
      [[ $current == -* ]] || ${wordsReply(words)} ;;
`;
}

/** The script. */
export function bashCompletion(): string {
  const commands = SPELLED.map(({ name }) => name).join(" ");
  return `\
# Completion of optimizelyd-maildir for bash. To have it in every shell:
#   optimizelyd-maildir completion bash > ~/.local/share/bash-completion/completions/optimizelyd-maildir

# Prints what the current word may become, a line each.
_optimizelyd_maildir_reply() {
  local current=$1 previous=$2 command=$3 base=$4 options=
  case \${command:-consume}:$previous in
${SPELLED.map(valueCases).join("")}  esac
  [[ -n $command || $current == -* ]] || compgen -W '${commands}' -- "$current"
  case \${command:-consume} in
${SPELLED.map(commandCase).join("")}  esac
  [[ $current != -* ]] || compgen -W "$options" -- "$current"
}

_optimizelyd_maildir() {
  local word previous= command= base=\${OPTIMIZELYD_BASE_DIR:-.}
  local current=\${COMP_WORDS[COMP_CWORD]} at
  # bash makes three words of --name=value
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    [[ $word == = ]] && continue
    case $previous in
      --base-dir) base=$word previous= ;;
      ${VALUED.filter((name) => name !== "--base-dir").join("|")}) previous= ;;
      *)
        previous=$word
        [[ -z $command && " ${commands} " == *" $word "* ]] && command=$word ;;
    esac
  done
  [[ $current == = ]] && current=
  mapfile -t COMPREPLY < <(_optimizelyd_maildir_reply "$current" "$previous" "$command" "$base")
}

complete -o filenames -o bashdefault -F _optimizelyd_maildir optimizelyd-maildir
`;
}
