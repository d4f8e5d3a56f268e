/**
 * `doctor`: says whether a queue's directory is fit, and what somebody should do.
 *
 * @module
 */

import { describeTransport } from "../http/transport/choose.ts";
import { examine, type Finding, type Severity } from "../queue/doctor/doctor.ts";
import { Queue } from "../queue/queue.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { VERSION } from "../version.ts";
import { configHealth } from "./config_health.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io, Output } from "./io.ts";
import type { DoctorInvocation } from "./options.ts";
import { wrap } from "./option_help.ts";
import { printable } from "./printable.ts";

/** Columns of a severity, and of a topic. */
const SEVERITY_COLUMNS = 9;
const TOPIC_COLUMNS = 14;

/** The severities that somebody should act upon. */
const BAD: readonly Severity[] = ["warning", "failure"];

/** A finding in lines that fit the terminal; whoever reads them otherwise gets them whole. */
function lines({ severity, topic, text, advice }: Finding, output: Output): string {
  const start = severity.padEnd(SEVERITY_COLUMNS) + topic.padEnd(TOPIC_COLUMNS);
  const indent = " ".repeat(start.length);
  const width = output.isTerminal ? output.columns() - start.length - 1 : Infinity;
  const said = wrap(printable(text), width).join(`\n${indent}`);
  const todo = advice === undefined
    ? ""
    : `${indent}→ ${wrap(printable(advice), width - 2).join(`\n${indent}  `)}\n`;
  return `${start}${said}\n${todo}`;
}

function summary(findings: readonly Finding[]): string {
  const counts = (["failure", "warning", "note"] as const)
    .map((severity) => [findings.filter((each) => each.severity === severity).length, severity])
    .filter(([count]) => count !== 0)
    .map(([count, severity]) => `${count} ${severity}${count === 1 ? "" : "s"}`);
  return counts.length === 0 ? "all is well\n" : `${counts.join(", ")}\n`;
}

async function configFindings(
  path: string | undefined,
  nowMs: number,
  io: Io,
): Promise<readonly Finding[]> {
  if (path === undefined) return [];
  const { certificates, warnings } = await configHealth(path, nowMs, io);
  if (warnings.length > 0) {
    return warnings.map((text) => ({ severity: "warning", topic: "configuration", text }));
  }
  const files = certificates.length === 0
    ? "no certificates of its own"
    : `all of its ${certificates.length} certificates are good for two weeks and more`;
  return [{ severity: "ok", topic: "configuration", text: `it can be used, with ${files}` }];
}

/**
 * Examine a queue.
 *
 * @throws {NotAQueueError} If the directory isn't one.
 */
export async function doctor(
  { config, json }: DoctorInvocation,
  baseDir: string,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const queue = await Queue.open(baseDir, runtime);
  const transport = describeTransport(runtime, "auto");
  const version = `optimizelyd-maildir ${VERSION}, requests by ${transport}`;
  if (!json) await io.stdout.write(`${version}\n${printable(queue.place.base)}\n\n`);
  const findings: Finding[] = [];
  const tell = async (finding: Finding) => {
    findings.push(finding);
    if (!json) await io.stdout.write(lines(finding, io.stdout));
  };
  for await (const finding of examine(queue)) await tell(finding);
  const path = config ?? io.defaultConfig;
  for (const finding of await configFindings(path, runtime.clock.now(), io)) await tell(finding);
  const report = { version: VERSION, transport, baseDir: queue.place.base, findings };
  await io.stdout.write(
    json ? `${printable(JSON.stringify(report))}\n` : `\n${summary(findings)}`,
  );
  return findings.some(({ severity }) => BAD.includes(severity)) ? EXIT.tryAgain : EXIT.ok;
}
