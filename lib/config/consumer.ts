/**
 * The options of a consumer: for a program as {@linkcode ConsumerOptions}, for the command line and
 * files as {@linkcode CONSUMER_OPTIONS}. The compiler holds the two together.
 *
 * To add one, add it to both here, and use it where it takes effect; a test asks for its row in the
 * docs.
 *
 * @module
 */

import type { ReadSecret } from "../http/credentials.ts";
import type { Outcome } from "../http/outcome.ts";
import { CONNECT_TIMEOUT_MS, type TransportName } from "../http/transport/options.ts";
import type { Merger } from "../merge/merger.ts";
import { MERGERS } from "../merge/mergers.ts";
import { LEASE_MARGIN_MS, LONGEST_LEASE_MS, LONGEST_WAIT_MS } from "../store/limits.ts";
import type { Trace } from "../telemetry/trace.ts";
import type { RequestOptions } from "./destination_options.ts";
import { formatDuration } from "./duration.ts";
import {
  choice,
  count,
  duration,
  egressRules,
  named,
  rate,
  size,
  statusMap,
  text,
} from "./kinds.ts";
import type { OptionsOf } from "./option.ts";
import { atLeast, atMost } from "./rules.ts";

/** Options of a consumer. */
export interface ConsumerOptions {
  /** Requests in flight at most. @default {64} */
  readonly concurrency?: number;
  /**
   * Another name of `concurrency`.
   *
   * @deprecated Use `concurrency`.
   */
  readonly threads?: number;
  /**
   * Requests in flight to one destination, always; at most `concurrency`. Adapts when not set.
   * @default {0} (adapts)
   */
  readonly perDestination?: number;
  /** Requests a second to one destination at most. @default {Infinity} */
  readonly ratePerSecond?: number;
  /** Time limit of one attempt, response included. @default {30_000} */
  readonly timeoutMs?: number;
  /**
   * How long a claim is exclusive; at least the timeout and 10 s, at most 1 h. @default {timeoutMs
   * + 30_000}
   */
  readonly leaseMs?: number;
  /** Attempts after which an event is given up. @default {Infinity} */
  readonly maxAttempts?: number;
  /**
   * Age after which an event is given up, after 3 attempts at least. @default {259_200_000} (72 h)
   */
  readonly maxAgeMs?: number;
  /** Delay before the second attempt, before jitter. @default {1_000} */
  readonly backoffBaseMs?: number;
  /** Longest delay before an attempt, before jitter; at most 7 d. @default {600_000} */
  readonly backoffCapMs?: number;
  /** How long a stop waits for what is in flight. @default {10_000} */
  readonly graceMs?: number;
  /** Largest event file. @default {4_194_304} */
  readonly maxBytes?: number;
  /**
   * Memory that event bodies may take, in bytes. @default {0} (a quarter of what the machine or the
   * container has, 256 MiB at most)
   */
  readonly memoryBytes?: number;
  /**
   * How long delivered events are kept in `sent/`; at most 100 years.
   * @default {0} (they are removed at once)
   */
  readonly keepSentMs?: number;
  /**
   * Age from which on dead letters are removed; at most 100 years.
   * @default {0} (they are kept until somebody takes them)
   */
  readonly keepDeadMs?: number;
  /**
   * Age from which on answers in `res/` are removed; at most 100 years.
   * @default {0} (they are kept until somebody takes them)
   */
  readonly keepResMs?: number;
  /**
   * How long the journal in `log/` is kept, 0 for none; at most 100 years. @default {604_800_000}
   * (7 d)
   */
  readonly keepLogMs?: number;
  /** Exceptions from the status table. @default {none} */
  readonly onStatus?: ReadonlyMap<number, Outcome>;
  /** How often the folders are looked at when nothing tells of a change. @default {1_000} */
  readonly pollMs?: number;
  /**
   * What carries requests: connections of our own, the runtime's `fetch`, or whichever fits:
   * connections, but where a proxy applies. @default {auto}
   */
  readonly transport?: TransportName;
  /**
   * Where requests may go, by the address that is connected to: `public`, `private`, `loopback`,
   * addresses such as `10.20.0.0/16`, hosts. @default {undefined} (anywhere but to link-local
   * addresses)
   */
  readonly egress?: readonly string[] | undefined;
  /** How long it may take to get a connection, of the time of an attempt. @default {5_000} */
  readonly connectTimeoutMs?: number;
  /**
   * Certificates of authorities that are trusted beside the runtime's own, as PEM. @default {}
   * (none)
   */
  readonly tlsCa?: string;
  /**
   * Makes one request of several events to one destination that allow it. @default {undefined}
   * (each event is a request)
   */
  readonly merge?: Merger | undefined;
  /** How long an event waits for others when the queue is short; at most 60 s. @default {0} */
  readonly mergeWaitMs?: number;
  /** Most events in a merged request. @default {50} */
  readonly mergeCount?: number;
  /**
   * Largest body of a merged request, in bytes; an event that is larger goes alone. @default
   * {3_000_000}
   */
  readonly mergeBytes?: number;
  /**
   * What differs for one destination, or for all whose hosts end alike, by an origin such as
   * `https://hooks.example.com` or `https://*.example.com`; of several the longest counts.
   * @default {{}} (nothing)
   */
  readonly destinations?: Readonly<Record<string, DestinationOptions>>;
  /**
   * Reads the secrets that destinations refer to, such as `credential:hooks-token`.
   * @default {none} (there are none)
   */
  readonly readSecret?: ReadSecret;
  /** Told of everything that happens. */
  readonly trace?: Trace;
}

/** What may differ from one destination to another. */
export type DestinationOptions =
  & RequestOptions
  & Pick<
    ConsumerOptions,
    | "perDestination"
    | "ratePerSecond"
    | "timeoutMs"
    | "maxAttempts"
    | "maxAgeMs"
    | "backoffBaseMs"
    | "backoffCapMs"
    | "onStatus"
    | "transport"
    | "connectTimeoutMs"
  >;

/** All options of a consumer that have a value, each with one. */
export type ConsumerSettings = Required<
  Omit<ConsumerOptions, "destinations" | "readSecret" | "threads" | "trace">
>;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** A century; every sum with the current time still fits the names. */
const LONGEST_AGE_MS = 36_500 * 24 * HOUR_MS;

/** A lease must leave this much beside the timeout for everything that isn't the request. */
const LEASE_SPARE_MS = 2 * LEASE_MARGIN_MS;

const LONGEST_MERGE_WAIT_MS = MINUTE_MS;

const MOST_REQUESTS = 10_000;
const MOST_EVENTS_MERGED = 10_000;
const LARGEST_BYTES = 256 * 2 ** 20;
const MOST_MEMORY_BYTES = 2 ** 40;

/** What is the same for most. */
const CONSUME = { commands: ["consume"], section: "consume" } as const;

/** What counts for a single request too. */
const REQUEST = { commands: ["consume", "test"], section: "consume" } as const;

/** The options of a consumer, each declared once. */
export const CONSUMER_OPTIONS: OptionsOf<ConsumerSettings> = {
  concurrency: {
    ...CONSUME,
    name: "concurrency",
    aliases: ["--threads", "-threads"],
    kind: count(1, MOST_REQUESTS),
    default: 64,
    help: "requests in flight at most",
  },
  perDestination: {
    ...CONSUME,
    name: "per-destination",
    destinationName: "concurrency",
    kind: count(1, MOST_REQUESTS),
    default: 0,
    defaultText: "it adapts",
    help: "requests in flight to one destination, always; at most --concurrency",
    check: atMost("concurrency"),
  },
  ratePerSecond: {
    ...CONSUME,
    name: "rate",
    destinationName: "rate",
    kind: rate(1_000_000),
    default: Infinity,
    defaultText: "no limit",
    help: "requests a second to one destination at most, by this consumer; also N/m and N/h",
  },
  timeoutMs: {
    ...REQUEST,
    name: "timeout",
    destinationName: "timeout",
    kind: duration(1, LONGEST_LEASE_MS),
    default: 30 * SECOND_MS,
    help: "longest duration of one attempt",
  },
  leaseMs: {
    ...CONSUME,
    name: "lease",
    kind: duration(1, LONGEST_LEASE_MS),
    default: ({ timeoutMs }) => timeoutMs + 30 * SECOND_MS,
    defaultText: "timeout + 30s",
    help: `how long an event is this consumer's alone; at least --timeout + ${
      formatDuration(LEASE_SPARE_MS)
    }, at most ${formatDuration(LONGEST_LEASE_MS)}`,
    check: atLeast("timeoutMs", LEASE_SPARE_MS),
  },
  maxAttempts: {
    ...CONSUME,
    name: "max-attempts",
    destinationName: "max-attempts",
    kind: count(1, 999_999),
    default: Infinity,
    defaultText: "no limit",
    help: "give an event up after N attempts",
  },
  maxAgeMs: {
    ...CONSUME,
    name: "max-age",
    destinationName: "max-age",
    kind: duration(1, LONGEST_AGE_MS),
    default: 72 * HOUR_MS,
    defaultText: "72h",
    help: "give an event up when it is this old, after 3 attempts at least",
  },
  backoffBaseMs: {
    ...CONSUME,
    name: "backoff-base",
    destinationName: "backoff-base",
    kind: duration(1, LONGEST_WAIT_MS),
    default: SECOND_MS,
    help: "pause after the first failure, doubled after each further one",
  },
  backoffCapMs: {
    ...CONSUME,
    name: "backoff-cap",
    destinationName: "backoff-cap",
    kind: duration(1, LONGEST_WAIT_MS),
    default: 10 * MINUTE_MS,
    help: `longest pause, at most ${formatDuration(LONGEST_WAIT_MS)}`,
    check: atLeast("backoffBaseMs"),
  },
  graceMs: {
    ...CONSUME,
    name: "grace",
    kind: duration(0, HOUR_MS),
    default: 10 * SECOND_MS,
    help: "how long a stop waits for requests in flight",
  },
  maxBytes: {
    ...CONSUME,
    name: "max-bytes",
    commands: ["consume", "client"],
    kind: size(1, LARGEST_BYTES),
    default: 4 * 2 ** 20,
    help: "largest event file, such as 512KiB",
  },
  memoryBytes: {
    ...CONSUME,
    name: "memory",
    kind: size(2 ** 20, MOST_MEMORY_BYTES),
    default: 0,
    defaultText: "a quarter of what there is",
    help: "memory that event bodies may take, such as 512MiB",
  },
  keepSentMs: {
    ...CONSUME,
    name: "keep-sent",
    kind: duration(0, LONGEST_AGE_MS),
    default: 0,
    help: "keep delivered events in sent/ for so long, such as 3d; with 0s they are removed",
  },
  keepDeadMs: {
    ...CONSUME,
    name: "keep-dead",
    kind: duration(0, LONGEST_AGE_MS),
    default: 0,
    help: "remove dead letters that have been in doa/ for so long, such as 30d; with 0s none",
  },
  keepResMs: {
    ...CONSUME,
    name: "keep-res",
    kind: duration(0, LONGEST_AGE_MS),
    default: 0,
    help: "remove answers that have been in res/ for so long, such as 7d; with 0s none",
  },
  keepLogMs: {
    ...CONSUME,
    name: "keep-log",
    kind: duration(0, LONGEST_AGE_MS),
    default: 7 * 24 * HOUR_MS,
    help: "how long the journal in log/ is kept; 0s for none",
  },
  onStatus: {
    ...REQUEST,
    name: "on-status",
    destinationName: "on-status",
    kind: statusMap(),
    default: new Map(),
    help: "deliver, defer or refuse by status, such as 404=defer,409=deliver",
  },
  pollMs: {
    ...CONSUME,
    name: "poll",
    kind: duration(10, HOUR_MS),
    default: SECOND_MS,
    help: "time between two looks at the queue when nothing tells of a change",
  },
  egress: {
    ...REQUEST,
    section: "egress",
    fileName: "allow",
    name: "egress",
    kind: egressRules(),
    default: undefined,
    defaultText: "all but link-local",
    help: "where requests may go: public, private, loopback, addresses such as 10.0.0.0/8, hosts",
  },
  transport: {
    ...REQUEST,
    name: "transport",
    destinationName: "transport",
    kind: choice<TransportName>("auto", "sockets", "fetch"),
    default: "auto",
    help: "what carries requests: sockets, fetch, or auto: sockets but where a proxy applies",
  },
  connectTimeoutMs: {
    ...REQUEST,
    name: "connect-timeout",
    destinationName: "connect-timeout",
    kind: duration(1, LONGEST_LEASE_MS),
    default: CONNECT_TIMEOUT_MS,
    help: "how long it may take to get a connection, TLS included",
  },
  tlsCa: {
    ...REQUEST,
    name: "tls-ca",
    kind: text("FILE"),
    default: "",
    defaultText: "none",
    help: "certificates (PEM) of authorities to trust beside those everybody trusts",
  },
  merge: {
    ...CONSUME,
    name: "merge",
    kind: named(MERGERS, "a Merger"),
    default: undefined,
    defaultText: "no",
    help: "send several events in one request, in a format that has a name, such as optimizely",
    fixed: true,
  },
  mergeWaitMs: {
    ...CONSUME,
    name: "merge-wait",
    kind: duration(0, LONGEST_MERGE_WAIT_MS),
    default: 0,
    help: `let an event wait for others while the queue is short, at most ${
      formatDuration(LONGEST_MERGE_WAIT_MS)
    }`,
    needs: "merge",
  },
  mergeCount: {
    ...CONSUME,
    name: "merge-count",
    kind: count(1, MOST_EVENTS_MERGED),
    default: 50,
    help: "most events in a request",
    needs: "merge",
  },
  mergeBytes: {
    ...CONSUME,
    name: "merge-bytes",
    kind: size(1, LARGEST_BYTES),
    default: 3_000_000,
    help: "largest merged body",
    needs: "merge",
  },
};
