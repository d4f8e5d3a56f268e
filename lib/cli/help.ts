/**
 * The help, written by hand: what a person needs at the terminal, in at most 80 columns.
 *
 * @module
 */

import type { Command } from "./options.ts";

const OVERVIEW = `\
optimizelyd-maildir delivers events over HTTP from a directory.

  optimizelyd-maildir [consume] [options]              deliver events
  optimizelyd-maildir client [options] [FILE... | -]   put events on the queue
  optimizelyd-maildir status [--json]                  say what is in the queue
  optimizelyd-maildir requeue ID... | --all            dead letters once more
  optimizelyd-maildir hold DESTINATION                 stop sending to it
  optimizelyd-maildir resume DESTINATION               start sending to it again

COMMAND --help tells more. Without a command events are delivered.

Options of every command, before or after its name:
  --base-dir DIR   the queue's directory (default: $OPTIMIZELYD_BASE_DIR, else
                   the current directory)
  --help           this help, or that of the command
  --version        the version

A value is written --NAME VALUE or --NAME=VALUE; one that starts with a dash
needs the latter. -- ends the options. -baseDir DIR and -threads N are
understood as --base-dir and --threads.

Results are written to standard output, everything else to standard error.

Exit codes:
  0   done
  64  the command line is wrong
  65  an event is wrong, or an id or a destination is not known
  70  a bug in this program
  73  can't create the queue, or the directory is not one
  74  the disk failed
  75  events remain: try again later
  77  not allowed
`;

const CONSUME = `\
optimizelyd-maildir [consume] [options]

Delivers events: sends each file of the queue and removes it when the endpoint
has answered 2xx. What fails in a way that may pass is tried again later, what
never will work goes to doa/ with its reason. Any number of consumers can share
one directory. Each event is logged to standard error; on a terminal
--until-empty shows progress instead.

Options:
  --base-dir DIR       the queue's directory (default: $OPTIMIZELYD_BASE_DIR,
                       else the current directory); created where it is missing
  --threads N          requests in flight at most (default: 64)
  --per-destination N  requests in flight to one destination, always; at most
                       --threads (default: it adapts)
  --rate N/s           requests a second to one destination at most, by this
                       consumer; also N/m and N/h (default: no limit)
  --once               deliver what is due now, then end: with 0 if nothing is
                       left, else with 75
  --until-empty        deliver until nothing is left, then end with 0; with 75
                       when all that is left waits for held destinations
  --timeout DURATION   longest duration of one attempt (default: 30s)
  --lease DURATION     how long an event is this consumer's alone; at least
                       --timeout + 10s, at most 1h (default: --timeout + 30s)
  --max-attempts N     give an event up after N attempts (default: no limit)
  --max-age DURATION   give an event up when it is this old (default: 72h)
  --backoff-base DURATION
                       pause after the first failure, doubled after each
                       further one (default: 1s)
  --backoff-cap DURATION
                       longest pause, at most 7d (default: 10m)
  --grace DURATION     how long a stop waits for requests in flight
                       (default: 10s)
  --max-bytes SIZE     largest event file, such as 512KiB (default: 4MiB)
  --on-status STATUS=OUTCOME,...
                       deliver, defer or refuse by status, such as
                       404=defer,409=deliver (default: 2xx is delivered; 401,
                       403, 407, 408, 425, 429, 3xx and 5xx are deferred;
                       other 4xx are refused)
  --poll DURATION      time between two looks at the queue when nothing tells
                       of a change (default: 1s)
  --group[=drop]       the queue is the group's as well; with drop its members
                       may only add events, not see or remove any
  --log-format FORMAT  text or json (default: text)
  --merge optimizely   send several events in one request, where all but their
                       visitors is equal (default: no)
  --merge-wait DURATION
                       let an event wait for others while the queue is short
                       (default: 0s)
  --merge-count N      most events in a request (default: 50)
  --merge-bytes SIZE   largest merged body, in bytes (default: 3000000)
  --accept HOST:PORT   also take events over HTTP, posted to /v1/events there by
                       an SDK that only lets a URL be set (default: no)
  --accept-from-anywhere
                       let --accept be reachable from other hosts
  --forward-to URL     where events taken by --accept are delivered
                       (default: https://logx.optimizely.com/v1/events)

Durations: 250ms, 30s, 5m, 72h, 3d.

Signals: SIGTERM and SIGINT end it with 0 once requests in flight are answered,
or after --grace; events not sent go back unchanged. A second signal ends it at
once, with 75.

Examples:
  optimizelyd-maildir --base-dir /var/spool/events
  optimizelyd-maildir --base-dir queue --until-empty --threads 8
  optimizelyd-maildir --on-status 404=defer --max-attempts 10
  optimizelyd-maildir --rate 100/s
  optimizelyd-maildir --accept 127.0.0.1:8080
`;

const CLIENT = `\
optimizelyd-maildir client [options] [FILE... | -]

Puts events on the queue and prints the id of each once it is on stable
storage. An event is given by --url; or by files that each hold one, such as
{"url": "https://example.com/", "requestBody": {"a": 1}}; or, with - or without
arguments, by standard input that holds one a line.

When an event is wrong, its file or line is named, nothing of this call is put
on the queue, and the exit code is 65.

Options:
  --base-dir DIR       the queue's directory (default: $OPTIMIZELYD_BASE_DIR,
                       else the current directory); created where it is missing
  --url URL            where to send the event
  --body JSON          what to send (default: nothing, a GET)
  --method METHOD      HTTP method (default: POST with a body, else GET)
  --header 'K: V'      a header to send with it; may be repeated
  --max-bytes SIZE     largest event, as told to consume (default: 4MiB)
  --keep-going         put the good events on the queue although others are
                       wrong; the exit code still is 65

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

Options:
  --base-dir DIR   the queue's directory (default: $OPTIMIZELYD_BASE_DIR, else
                   the current directory)
  --json           as JSON

Examples:
  optimizelyd-maildir status --base-dir queue
  optimizelyd-maildir status --json | jq .
`;

const REQUEUE = `\
optimizelyd-maildir requeue ID... | --all

Puts dead letters back on the queue, as if they had never been tried, and prints
the id of each. An id that isn't among them is reported, and the exit code is
65; the others are put back all the same.

Options:
  --base-dir DIR   the queue's directory (default: $OPTIMIZELYD_BASE_DIR, else
                   the current directory)
  --all            all dead letters

Examples:
  optimizelyd-maildir requeue 0193c2a4-8d5e-7c11-9a6b-3f1e2d4c5b6a
  optimizelyd-maildir requeue --all --base-dir queue
`;

const HOLD = `\
optimizelyd-maildir hold DESTINATION

Stops sending to one destination: every consumer of the directory heeds it
within seconds, also after a restart. Requests in flight are not called off;
what comes waits in defer/ and uses up no attempts. Others are not affected. A
destination may be held before it has any events.

DESTINATION is a URL, of which scheme, host and port count, or the name of its
folder as status and "ls defer/" show it.

Options:
  --base-dir DIR   the queue's directory (default: $OPTIMIZELYD_BASE_DIR, else
                   the current directory)

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

Options:
  --base-dir DIR   the queue's directory (default: $OPTIMIZELYD_BASE_DIR, else
                   the current directory)

Examples:
  optimizelyd-maildir resume https://logx.optimizely.com
  optimizelyd-maildir resume https_logx.optimizely.com_443 --base-dir queue
`;

const TOPICS: Readonly<Record<Command, string>> = {
  consume: CONSUME,
  client: CLIENT,
  status: STATUS,
  requeue: REQUEUE,
  hold: HOLD,
  resume: RESUME,
};

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
