/**
 * `deno task bench:chaos`: what the tests check with a few thousand events, with as many as you
 * like and as often.
 *
 * A queue whose consumer is killed, stopped by a signal, or not alone; it ends with an error as
 * soon as something doesn't hold.
 *
 * @module
 */

import { exactlyOnce, killAndRestart, stopInTheMiddle } from "../../tests/support/chaos.ts";
import { readSettings, runTool } from "../options.ts";
import { print, progress } from "../report.ts";

const MEASUREMENTS = ["kill", "stop", "one", "three"] as const;

async function chaos(args: readonly string[]): Promise<void> {
  const { numbers, wants } = readSettings(
    args,
    { events: 10_000, threads: 64, rounds: 3 },
    { parts: MEASUREMENTS },
  );
  const { events, threads, rounds } = numbers;
  for (let round = 1; round <= rounds; round++) {
    const show = (name: string) => progress(`round ${round} of ${rounds}: ${name}`);
    if (wants("kill")) {
      show("killing a consumer in the middle");
      const { claimed, twice, resentMs } = await killAndRestart(events, threads);
      print(
        `kill: all of ${events} arrived, ${twice} twice; ${claimed} claims resent in ${resentMs} ms`,
      );
    }
    if (wants("stop")) {
      for (const hangs of [false, true]) {
        show("stopping a consumer in the middle");
        const { left, stopMs } = await stopInTheMiddle(events, threads, hangs);
        const how = hangs ? "an endpoint that hangs" : "an endpoint that answers";
        print(
          `stop: ${how}: ended in ${stopMs.toFixed(0)} ms, ${left} of ${events} left, none claimed`,
        );
      }
    }
    for (const [name, consumers] of [["one", 1], ["three", 3]] as const) {
      if (!wants(name)) continue;
      show(`${events} events exactly once by ${name}`);
      const delivered = await exactlyOnce(events, consumers);
      print(`${name}: ${events} events arrived exactly once, delivered ${delivered.join(" + ")}`);
    }
  }
}

if (import.meta.main) await runTool(() => chaos(Deno.args));
