/**
 * The completion for fish.
 *
 * @module
 */

import type { Words } from "../usage.ts";
import { SPELLED, type SpelledCommand, type Value, VALUED } from "./spelled.ts";

/** Within single quotes. */
const quoted = (text: string) => text.replaceAll(/[\\']/g, "\\$&");

function valueArguments(value: Value): string {
  switch (value.is) {
    case "none":
      return "";
    case "file":
      return " -r -F";
    case "directory":
      return " -x -a '(__fish_complete_directories)'";
    case "word":
      return ` -x -a '${quoted(value.words.join(" "))}'`;
    case "any":
      return " -x";
  }
}

function wordsArguments(words: Words): string | undefined {
  switch (words.are) {
    case "none":
      return undefined;
    case "files":
      return "-F";
    case "destinations":
      return "-a '(__optimizelyd_maildir_destinations)'";
    case "words":
      return `-a '${words.words.join(" ")}'`;
  }
}

function commandLines({ name, summary, options, words }: SpelledCommand): string {
  const start = "complete -c optimizelyd-maildir";
  const isIt = `-n '__optimizelyd_maildir_is ${name}'`;
  const rest = wordsArguments(words);
  return [
    `${start} -n '__optimizelyd_maildir_is ""' -a ${name} -d '${quoted(summary)}'`,
    ...options.map((option) =>
      `${start} ${isIt} -l ${option.name.slice(2)}${valueArguments(option.value)} ` +
      `-d '${quoted(option.help)}'`
    ),
    ...(rest === undefined ? [] : [`${start} ${isIt} ${rest}`]),
    "",
  ].join("\n");
}

/** The script. */
export function fishCompletion(): string {
  const names = SPELLED.map(({ name }) => name).join(" ");
  return `\
# Completion of optimizelyd-maildir for fish. To have it in every shell:
#   optimizelyd-maildir completion fish > ~/.config/fish/completions/optimizelyd-maildir.fish

# The command on the line, or nothing; --base-dir is kept beside it.
function __optimizelyd_maildir_command
    set -l previous
    set -l command
    set -g __optimizelyd_maildir_base $OPTIMIZELYD_BASE_DIR
    for word in (commandline -opc)[2..]
        if string match -q -- '--base-dir=*' $word
            set -g __optimizelyd_maildir_base (string replace -- --base-dir= '' $word)
        else if test "$previous" = --base-dir
            set -g __optimizelyd_maildir_base $word
            set previous
        else if contains -- "$previous" ${VALUED.filter((name) => name !== "--base-dir").join(" ")}
            set previous
        else
            set previous $word
            test -z "$command"; and contains -- $word ${names}; and set command $word
        end
    end
    echo $command
end

# Whether the line is about a command; options of consume may come without its name.
function __optimizelyd_maildir_is
    set -l command (__optimizelyd_maildir_command)
    test "$command" = "$argv[1]"; or test -z "$command" -a "$argv[1]" = consume
end

function __optimizelyd_maildir_destinations
    set -l base $__optimizelyd_maildir_base
    test -n "$base"; or set base .
    for folder in $base/defer/*/
        path basename $folder 2>/dev/null; or basename $folder
    end
end

complete -c optimizelyd-maildir -f
${SPELLED.map(commandLines).join("")}`;
}
