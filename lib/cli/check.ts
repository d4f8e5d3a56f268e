/**
 * `check`: one line and an exit code, as monitoring plugins give them, or metrics.
 *
 * @module
 */

import type { CheckOptions } from "../config/check_command.ts";
import type { CertificateFile } from "./certificates.ts";
import { configHealth } from "./config_health.ts";
import { Queue } from "../queue/queue.ts";
import { type Vitals, vitals } from "../queue/vitals.ts";
import { errorCode, type Runtime, type Volume } from "../runtime/runtime.ts";
import { type ExitCode, PLUGIN_EXIT } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { CheckInvocation } from "./options.ts";
import { printable } from "./printable.ts";
import { formatCount, formatEstimate } from "./progress.ts";

/** What is wrong, the worst first. */
interface Verdict {
  readonly critical: readonly string[];
  readonly warning: readonly string[];
}

/** Names shown of many. */
const MOST_SHOWN = 3;

const span = (ms: number) => formatEstimate(Math.max(0, ms) / 1_000);

/** Judge the signs. */
export function judge(found: Vitals, options: CheckOptions, nowMs: number): Verdict {
  const { maxLateMs, maxDead, maxDownMs } = options;
  const lateMs = nowMs - (found.lateSinceMs ?? nowMs);
  const down = found.parked.filter(({ downSinceMs = nowMs }) => nowMs - downSinceMs > maxDownMs);
  const held = found.parked.filter(({ isHeld, waiting }) => isHeld && waiting > 0);
  const names = (some: Vitals["parked"]) =>
    some.slice(0, MOST_SHOWN).map(({ destination }) => destination).join(", ") +
    (some.length > MOST_SHOWN ? ` and ${some.length - MOST_SHOWN} more` : "");
  const nobody = found.consumers === 0 ? ", no consumer is at work" : "";
  return {
    critical: [
      ...(lateMs > maxLateMs ? [`an event is late by ${span(lateMs)}${nobody}`] : []),
      ...(down.length > 0 ? [`down for more than ${span(maxDownMs)}: ${names(down)}`] : []),
    ],
    warning: [
      ...(found.dead > maxDead ? [`${formatCount(found.dead)} dead`] : []),
      ...(held.length > 0 ? [`held while events wait: ${names(held)}`] : []),
    ],
  };
}

/** The line for people and plugins: words, a bar, numbers. */
function line({ critical, warning }: Verdict, found: Vitals, options: CheckOptions, nowMs: number) {
  const { ready, claimed, deferred, dead, consumers } = found;
  const word = critical.length > 0 ? "CRITICAL" : warning.length > 0 ? "WARNING" : "OK";
  const counts = `${formatCount(ready + claimed + deferred)} waiting, ${formatCount(dead)} dead, ` +
    `${consumers} ${consumers === 1 ? "consumer" : "consumers"} at work`;
  const why = [...critical, ...warning].join("; ") || counts;
  const lateSeconds = Math.round((nowMs - (found.lateSinceMs ?? nowMs)) / 1_000);
  const numbers = [
    `late=${lateSeconds}s;;${options.maxLateMs / 1_000};0`,
    `dead=${dead};${options.maxDead};;0`,
    `ready=${ready};;;0`,
    `claimed=${claimed};;;0`,
    `deferred=${deferred};;;0`,
    `consumers=${consumers};;;0`,
  ];
  return `${word}: ${printable(why)} | ${numbers.join(" ")}\n`;
}

function codeOf({ critical, warning }: Verdict): ExitCode {
  if (critical.length > 0) return PLUGIN_EXIT.critical;
  return warning.length > 0 ? PLUGIN_EXIT.warning : PLUGIN_EXIT.ok;
}

const escaped = (label: string) => label.replaceAll(/[\\"]/g, "\\$&");

/** The text format of Prometheus. */
function metrics(
  found: Vitals,
  { bytes, files }: Volume,
  certificates: readonly CertificateFile[],
  code: ExitCode,
): string {
  const { ready, claimed, deferred, dead, lateSinceMs, consumers, parked } = found;
  const gauge = (
    name: string,
    help: string,
    samples: readonly (readonly [labels: string, value: number])[],
  ) =>
    samples.length === 0 ? "" : [
      `# HELP optimizelyd_${name} ${help}`,
      `# TYPE optimizelyd_${name} gauge`,
      ...samples.map(([labels, value]) => `optimizelyd_${name}${labels} ${value}`),
      "",
    ].join("\n");
  const states = Object.entries({ ready, claimed, deferred, dead });
  const stateOf = ({ destination }: { readonly destination: string }, state: string) =>
    [`{destination="${escaped(destination)}",state="${state}"}`, 1] as const;
  return [
    gauge("events", "Events by state.", states.map(([state, n]) => [`{state="${state}"}`, n])),
    gauge(
      "oldest_late_timestamp_seconds",
      "Since when the latest event could have been sent; missing when none is late.",
      lateSinceMs === undefined ? [] : [["", lateSinceMs / 1_000]],
    ),
    gauge("consumers", "Consumers at work.", [["", consumers]]),
    gauge("destination_state", "Destinations that are held or down.", [
      ...parked.filter(({ isHeld }) => isHeld).map((each) => stateOf(each, "held")),
      ...parked.filter(({ downSinceMs }) => downSinceMs !== undefined)
        .map((each) => stateOf(each, "down")),
    ]),
    gauge("disk_free_bytes", "Room on the disk.", bytes ? [["", bytes.free]] : []),
    gauge(
      "disk_free_inodes",
      "Files that the disk can still hold.",
      files ? [["", files.free]] : [],
    ),
    gauge(
      "certificate_end_timestamp_seconds",
      "Until when the certificates of the configuration are good.",
      certificates.flatMap(({ destination = "", use, endsMs }) =>
        endsMs === undefined
          ? []
          : [[`{destination="${escaped(destination)}",use="${use}"}`, endsMs / 1_000]]
      ),
    ),
    gauge("check_status", "0 ok, 1 warning, 2 critical, 3 unknown.", [["", code]]),
  ].join("");
}

/** Check a queue. Never throws for what the disk or the directory is: that is `UNKNOWN`. */
export async function check(
  { config, options }: CheckInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  let queue: Queue;
  let found: Vitals;
  try {
    queue = await Queue.open(baseDir, runtime);
    found = await vitals(queue);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name !== "NotAQueueError" && errorCode(error) === undefined) throw error;
    const unknown = PLUGIN_EXIT.unknown;
    await io.stdout.write(
      options.prometheus
        ? `optimizelyd_check_status ${unknown}\n`
        : `UNKNOWN: ${printable(error.message)}\n`,
    );
    return unknown;
  }
  const nowMs = runtime.clock.now();
  const { certificates, warnings } = await configHealth(config ?? io.defaultConfig, nowMs, io);
  const { critical, warning } = judge(found, options, nowMs);
  const verdict = { critical, warning: [...warning, ...warnings] };
  const code = codeOf(verdict);
  await io.stdout.write(
    options.prometheus
      ? metrics(found, runtime.volume?.(queue.place.base) ?? {}, certificates, code)
      : line(verdict, found, options, nowMs),
  );
  return code;
}
