/**
 * `test`: one request now, told step by step.
 *
 * It goes the way of a consumer's: the same sender, with the same options. What happens on the
 * network is seen by watching the runtime that the sender works with.
 *
 * @module
 */

import type { ConsumerSettings } from "../config/consumer.ts";
import { Settings } from "../config/settings.ts";
import { encodeEventText } from "../event/encode.ts";
import { type EventRequest, parseEvent } from "../event/request.ts";
import type { Attempt } from "../http/attempt.ts";
import { forbidden } from "../http/egress.ts";
import { retryDelayMs } from "../http/schedule.ts";
import { Sender, type SenderRuntime } from "../http/sender.ts";
import { describeTransport } from "../http/transport/choose.ts";
import { uuidv7 } from "../queue/uuid.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { withCertificates } from "./certificates.ts";
import { configure } from "./configuration.ts";
import { confirm } from "./confirm.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Io } from "./io.ts";
import type { TestInvocation } from "./options.ts";
import { secretsOf } from "./secrets.ts";
import { type Conclusion, type Seen, TrialJson, TrialText, where } from "./trial_text.ts";

/** What is told of a trial. */
export interface TrialReport {
  /** Something was seen on the network. */
  seen(step: Seen): void;
  /** All that was seen so far has been shown. */
  shown(): Promise<void>;
  /** It is over. */
  end(conclusion: Conclusion): Promise<void>;
}

/**
 * Send one request.
 *
 * @throws {UsageError | ConfigError} If an option or the configuration is wrong.
 */
export async function test(
  { url, body, config, written, yes, json }: TestInvocation,
  runtime: Runtime,
  io: Io,
): Promise<ExitCode> {
  const options = await configure(config ?? io.defaultConfig, written, io);
  const settings = new Settings(await withCertificates(options.consumer, io), options.destinations);
  const report = json ? new TrialJson(io.stdout) : new TrialText(io.stdout, runtime.clock);
  const request = requestOf(url, body);
  if (typeof request === "string") return await refuse(request, report);
  if (!runtime.mayReach(request.url)) return await refuse(forbidden(request.url), report);
  const carrier = describeTransport(runtime, settings.of(request.url.origin).transport);
  report.seen({ step: "begun", request, carrier, settings: settings.of(request.url.origin) });
  await report.shown();
  if (!yes && io.stdin.isTerminal && !await confirm(`Send it to ${where(request.url)}?`, io)) {
    return EXIT.tryAgain;
  }
  const sender = new Sender(watched(runtime, report), settings, secretsOf(io));
  try {
    const attempt = await sender.send(request, uuidv7(runtime.clock.now(), runtime.random));
    await report.end(concludedFrom(attempt, settings.of(request.url.origin)));
    return exitCodeOf(attempt);
  } finally {
    sender.close();
  }
}

/** @returns Why there is none, when there can be none. */
function requestOf(url: string, body: string | undefined): EventRequest | string {
  let file: Uint8Array = new TextEncoder().encode(JSON.stringify({ url, method: "POST" }));
  try {
    if (body !== undefined) file = encodeEventText({ url, bodyText: body });
  } catch (error) {
    if (error instanceof TypeError) return error.message.replace(/^Cannot encode the event: /, "");
    throw error;
  }
  const event = parseEvent(file);
  return event.kind === "request" ? event.request : event.reason;
}

async function refuse(reason: string, report: TrialReport): Promise<ExitCode> {
  await report.end({ outcome: "refused", reason });
  return EXIT.badEvent;
}

function concludedFrom(attempt: Attempt, settings: ConsumerSettings): Conclusion {
  const { outcome, reason, ms, status, reach, answer, phases, retryAfterMs } = attempt;
  const { backoffBaseMs: baseMs, backoffCapMs: capMs } = settings;
  // the longest that chance allows
  const retryMs = outcome === "deferred"
    ? retryDelayMs({ attempt: 1, random: 1, baseMs, capMs, retryAfterMs })
    : undefined;
  const firstByteMs = phases?.firstByte;
  return { outcome, reason, ms, status, reach, answer, firstByteMs, retryMs };
}

function exitCodeOf({ outcome }: Attempt): ExitCode {
  switch (outcome) {
    case "delivered":
      return EXIT.ok;
    case "refused":
      return EXIT.badEvent;
    default:
      return EXIT.tryAgain;
  }
}

/** The runtime, with all that happens on the network told. */
function watched(runtime: Runtime, report: TrialReport): SenderRuntime {
  const { clock, lookup, connect, certificate } = runtime;
  const sinceStart = () => {
    const startMs = clock.monotonic();
    return () => clock.monotonic() - startMs;
  };
  return {
    ...runtime,
    ...lookup && {
      async lookup(host: string) {
        const elapsed = sinceStart();
        const addresses = await lookup(host);
        report.seen({ step: "looked up", host, addresses, ms: elapsed() });
        return addresses;
      },
    },
    ...connect && {
      async connect(to: Parameters<typeof connect>[0]) {
        const { host, port, tls, signal } = to;
        const elapsed = sinceStart();
        let connectedMs = 0;
        const onConnected = () => {
          connectedMs = elapsed();
          report.seen({ step: "connected", host, port, ms: connectedMs });
          to.onConnected?.();
        };
        const look = async () => {
          if (!tls || connectedMs === 0 || !certificate) return;
          const { serverName } = tls;
          const shown = await certificate({ host, port, serverName }, signal).catch(() =>
            undefined
          );
          if (shown) report.seen({ step: "certificate", certificate: shown });
        };
        try {
          const connection = await connect({ ...to, onConnected });
          if (tls) report.seen({ step: "secured", ms: elapsed() - connectedMs });
          await look();
          return connection;
        } catch (error) {
          await look(); // it may be why
          throw error;
        }
      },
    },
    fetch: (...given: Parameters<Runtime["fetch"]>) => {
      report.seen({ step: "fetched" });
      return runtime.fetch(...given);
    },
  };
}
