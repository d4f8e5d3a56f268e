/**
 * The help: what a person needs at the terminal, in at most 80 columns. What a command does is
 * written by hand; its options are those of the schema.
 *
 * @module
 */

import type { Command } from "../config/option.ts";
import { EXIT_MEANINGS } from "./exit_code.ts";
import { everywhereText, optionsText } from "./option_help.ts";
import { usagesText } from "./usage.ts";

const OVERVIEW = `\
optimizelyd-maildir delivers events over HTTP from a directory.

${usagesText()}
COMMAND --help tells more. Without a command events are delivered.

Options of every command, before or after its name:
${everywhereText()}
A value is written --NAME VALUE or --NAME=VALUE; one that starts with a dash
needs the latter. -- ends the options. -baseDir DIR and -threads N are
understood as --base-dir and --concurrency.

Results are written to standard output, everything else to standard error.

Exit codes:
${
  Object.entries(EXIT_MEANINGS).map(([code, meaning]) => `  ${code.padEnd(3)} ${meaning}\n`).join(
    "",
  )
}check ends as monitoring plugins do: with 0, 1, 2 or 3.
`;

const CONSUME = `\
optimizelyd-maildir [consume] [options]

Delivers events: sends each file of the queue and removes it when the endpoint
has answered 2xx. What fails in a way that may pass is tried again later, what
never will work goes to doa/ with its reason. Any number of consumers can share
one directory. Each event is logged to standard error; on a terminal
--until-empty shows progress instead. A directory that is missing is created.

What an answer means, unless --on-status says otherwise: 2xx is delivered; 401,
403, 407, 408, 425, 429, 3xx and 5xx are deferred; other 4xx are refused.

${optionsText("consume")}
Durations: 250ms, 30s, 5m, 72h, 3d.

Signals: SIGTERM and SIGINT end it with 0 once requests in flight are answered,
or after --grace; events not sent go back unchanged. A second one ends it at
once, with 75. SIGHUP reads the configuration again, or, without one, ends it.

Examples:
  optimizelyd-maildir --base-dir /var/spool/events
  optimizelyd-maildir --base-dir queue --until-empty --concurrency 8
  optimizelyd-maildir --on-status 404=defer --max-attempts 10
  optimizelyd-maildir --rate 100/s
  optimizelyd-maildir --accept 127.0.0.1:8080
  optimizelyd-maildir --config /etc/optimizelyd-maildir.toml
`;

const CLIENT = `\
optimizelyd-maildir client [options] [FILE... | -]

Puts events on the queue and prints the id of each once it is on stable
storage. An event is given by --url; or by files that each hold one, such as
{"url": "https://example.com/", "requestBody": {"a": 1}}; or, with - or without
arguments, by standard input that holds one a line. A directory that is missing
is created.

When an event is wrong, its file or line is named, nothing of this call is put
on the queue, and the exit code is 65.

${optionsText("client")}
Examples:
  optimizelyd-maildir client --url https://example.com/hook --body '{"a": 1}'
  optimizelyd-maildir client --base-dir queue event1.json event2.json
  generate-events | optimizelyd-maildir client -
`;

const STATUS = `\
optimizelyd-maildir status [--json]

Says how many events are in each state and, for each destination, how many wait,
are in flight and are dead, when the next attempt is due, and whether it is held
by an operator, throttled by its own Retry-After, or down, since when and why.
Changes nothing.

${optionsText("status")}
Examples:
  optimizelyd-maildir status --base-dir queue
  optimizelyd-maildir status --json | jq .
`;

const LIST = `\
optimizelyd-maildir list [FILTER] [--count | --json]

Prints the events of the queue: the dead that died last, what is in flight, what
waits by when it is due, what is ready. Reads only. The reason why an event
waits is in the journal, log/; without one it isn't known.

${optionsText("list")}
Examples:
  optimizelyd-maildir list --state dead --since 1h
  optimizelyd-maildir list --destination https://hooks.example.com --status 5xx
  optimizelyd-maildir list --json | jq -r 'select(.attempts > 3).id'
`;

const SHOW = `\
optimizelyd-maildir show ID [--exact | --curl | --json]

Tells the story of one event: where it is, why it waits and until when, every
attempt that the journal has, the last answer, the request, and a command that
repeats it. An id of this product may be shortened to what no other begins with.
Header values are not shown.

${optionsText("show")}
Examples:
  optimizelyd-maildir show 0193c2a4-8d5e-7c11
  optimizelyd-maildir show 0193c2a4-8d5e-7c11 --exact | jq .
`;

/** What all verbs on events have in common. */
const CHOOSING = `\
What is meant is fixed first, by ids, by - for ids on standard input, one a
line, or by a filter: what comes or moves on meanwhile isn't touched. The id of
each is printed once it is done. More than one chosen by a filter are asked for
on a terminal; elsewhere --yes is needed. What isn't there, or can't be moved,
is named, and the exit code is 65; the others are done all the same.`;

const REQUEUE = `\
optimizelyd-maildir requeue FILTER | ID... | -

Puts dead letters back on the queue, as if they had never been tried.
${CHOOSING}

With one id, --url puts it back for another URL, --body with another body, JSON
or @FILE: as a new event, whose id is printed. The letter goes once that is on
stable storage.

${optionsText("requeue")}
Examples:
  optimizelyd-maildir requeue 0193c2a4-8d5e-7c11-9a6b-3f1e2d4c5b6a
  optimizelyd-maildir requeue 0193c2a4-8d5e --url https://new.example/hook
  optimizelyd-maildir requeue --status 5xx --since 2h --dry-run
  optimizelyd-maildir list --json | jq -r .id | optimizelyd-maildir requeue -
`;

const RETRY = `\
optimizelyd-maildir retry FILTER | ID... | -

Lets events that wait for a later attempt be due now. Attempts and age stay. A
destination that is held or down stays so, and they wait for it again.
${CHOOSING}

${optionsText("retry")}
Examples:
  optimizelyd-maildir retry --destination https://hooks.example.com --yes
  optimizelyd-maildir retry 0193c2a4-8d5e-7c11
`;

const DELETE = `\
optimizelyd-maildir delete FILTER | ID... | -

Removes events that are ready, waiting or dead, for good. What a consumer has in
its hands is left alone.
${CHOOSING}

${optionsText("delete")}
Examples:
  optimizelyd-maildir delete --state dead --until 30d --yes
  optimizelyd-maildir delete --reason "no such customer" --dry-run
`;

const HOLD = `\
optimizelyd-maildir hold DESTINATION

Stops sending to one destination: every consumer of the directory obeys
within seconds, also after a restart. Requests in flight are not called off;
what comes waits in defer/ and uses up no attempts. Others are not affected. A
destination may be held before it has any events.

DESTINATION is a URL, of which scheme, host and port count, or the name of its
folder as status and "ls defer/" show it.

${optionsText("hold")}
Examples:
  optimizelyd-maildir hold https://logx.optimizely.com
  optimizelyd-maildir hold https_logx.optimizely.com_443 --base-dir queue
`;

const RESUME = `\
optimizelyd-maildir resume DESTINATION

Starts sending to a destination that is held. One that has no folder in defer/
is not known: nothing waits for it, and it is not held (65).

DESTINATION is a URL, of which scheme, host and port count, or the name of its
folder as status and "ls defer/" show it.

${optionsText("resume")}
Examples:
  optimizelyd-maildir resume https://logx.optimizely.com
  optimizelyd-maildir resume https_logx.optimizely.com_443 --base-dir queue
`;

const REPLAY = `\
optimizelyd-maildir replay [FILTER] --since TIME | ID... | -

Puts delivered events back on the queue, where consumers are told to keep them:
those that were delivered since a time, or since so long ago. They have the ids
they had, by which an endpoint may tell that it knows them, unless --new-id.

It may be stopped, or killed, and run again: what has been replayed since the
same time is left out. Several are asked for first on a terminal, and want --yes
elsewhere. The id of each is printed.

${optionsText("replay")}
Examples:
  optimizelyd-maildir replay --since 2h --rate 50/s
  optimizelyd-maildir replay --since 2026-12-01T08:00Z --until 2026-12-01T09:00Z
  optimizelyd-maildir replay --since 1d --destination https://a.example
`;

const PURGE = `\
optimizelyd-maildir purge --older-than DURATION [options]

Removes what has been kept for longer than that: dead letters with their
reasons, delivered events by whole hours, answers. What waits to be delivered is
never touched. It asks first on a terminal, and wants --yes elsewhere.

${optionsText("purge")}
Examples:
  optimizelyd-maildir purge --older-than 30d
  optimizelyd-maildir purge --state dead --older-than 90d --yes
  optimizelyd-maildir purge --state sent --older-than 3d --dry-run
`;

const CONFIG = `\
optimizelyd-maildir config check | show

check says what is wrong with a configuration file, with line and column, and
ends with 64; a running consumer that is told to reload it would say the same
and go on with the old one. show prints what follows from it, defaults included,
and where each value comes from.

${optionsText("config")}
Examples:
  optimizelyd-maildir config check --config queue.toml
  optimizelyd-maildir config show
`;

const CHECK = `\
optimizelyd-maildir check [--prometheus]

Says in one line, as a monitoring plugin does, whether events are delivered.

  0  OK
  1  WARNING   more dead letters than --max-dead; a destination is held while
               events wait for it
  2  CRITICAL  an event is late by more than --max-age; a destination is down
               for more than --max-down
  3  UNKNOWN   the queue can't be read

Late is what could have been sent and wasn't. What has still to wait isn't, nor
is what waits for a destination that is held, down or throttled. Numbers follow
behind a bar. With --prometheus they are all there is.

${optionsText("check")}
Examples:
  optimizelyd-maildir check --base-dir /var/spool/events --max-age 1m
  optimizelyd-maildir check --prometheus > events.prom
`;

const DOCTOR = `\
optimizelyd-maildir doctor [--json]

Says whether the queue's directory is fit, and what to do where it isn't: the
file system and how it is mounted, room, whether a consumer could work here,
clock and locks, modes and owners, what is left of consumers that are no more,
destinations that are held or down, strays, files that can't be read, drafts
that nobody publishes. It changes nothing, but for a dot file that it makes and
removes as a consumer does at its start.

Ends with 0 when there is nothing to do, else with 75.

${optionsText("doctor")}
Examples:
  optimizelyd-maildir doctor --base-dir /var/spool/events
  optimizelyd-maildir doctor --json | jq '.findings[] | select(.advice)'
`;

const TEST = `\
optimizelyd-maildir test URL | DESTINATION

Sends one request now, as a consumer would with this configuration, and says
step by step what happens: addresses, connection, TLS and the certificate, the
answer, and what a consumer would make of it. It is an empty POST unless --body
says otherwise. On a terminal it asks first. The queue is not touched.

DESTINATION is the name of a folder in defer/. Ends with 0 when the event would
be delivered, with 75 when it would be tried again, with 65 when it would die.

${optionsText("test")}
Examples:
  optimizelyd-maildir test https://example.com/hook
  optimizelyd-maildir test https_example.com_443 --config queue.toml
  optimizelyd-maildir test https://example.com/hook --body '{"a": 1}' --json
`;

const COMPLETION = `\
optimizelyd-maildir completion bash | zsh | fish

Prints a script by which the shell completes commands, options, their values,
and destinations that events wait for.

${optionsText("completion")}
Examples:
  eval "$(optimizelyd-maildir completion bash)"
  optimizelyd-maildir completion zsh > ~/.zsh/functions/_optimizelyd-maildir
  optimizelyd-maildir completion fish | source
`;

const TOPICS: Readonly<Record<Command, string>> = {
  consume: CONSUME,
  client: CLIENT,
  status: STATUS,
  list: LIST,
  show: SHOW,
  requeue: REQUEUE,
  retry: RETRY,
  delete: DELETE,
  hold: HOLD,
  resume: RESUME,
  replay: REPLAY,
  purge: PURGE,
  config: CONFIG,
  check: CHECK,
  doctor: DOCTOR,
  test: TEST,
  completion: COMPLETION,
};

/** What a person is told of a command, beside its options. */
export interface Topic {
  /** What it does. */
  readonly before: string;
  /** More of that; empty for nothing. */
  readonly after: string;
  /** How it is called, a line each. */
  readonly examples: string;
}

/** The help of a command in parts. */
export function topicOf(command: Command): Topic {
  const [before = "", rest = ""] = TOPICS[command].split(optionsText(command));
  const [after = "", examples = ""] = rest.split("Examples:\n");
  return { before: before.slice(before.indexOf("\n\n")).trim(), after: after.trim(), examples };
}

/**
 * The help as printed.
 *
 * @param topic The command it is about; `undefined` for all of them.
 * @param permissions What this build may do, one line each; ends the help when there is any.
 */
export function help(topic: Command | undefined, permissions: readonly string[] = []): string {
  const text = topic === undefined ? OVERVIEW : TOPICS[topic];
  if (permissions.length === 0) return text;
  return `${text}\nPermissions of this build:\n${
    permissions.map((line) => `  ${line}\n`).join("")
  }`;
}
