/** How connections are made: look-ups, addresses, their head starts and time limits. */

import { assert, assertEquals } from "@std/assert";
import { errorCode } from "../../../lib/runtime/runtime.ts";
import type { Connecting } from "../../sim/network.ts";
import { answering, Wire, type WireOptions } from "../../support/wire.ts";

const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";

/** A wire with addresses, and what becomes of connecting to each. */
function dialling(
  addresses: readonly string[],
  connects: Record<string, Connecting> = {},
  options: WireOptions = {},
): Wire & { readonly tried: string[] } {
  const wire = new Wire(undefined, options);
  const tried: string[] = [];
  wire.world.network.addresses.set("a.test", addresses);
  wire.world.network.connects = (address, atMs) => {
    tried.push(`${address} at ${atMs}`);
    return connects[address];
  };
  return Object.assign(wire, { tried });
}

const REFUSED: Connecting = { fails: "refused" };
const HANGS: Connecting = { fails: "hang" };

Deno.test("the families are tried in turn, each address with a short head start, and the first that answers is taken", async () => {
  const addresses = ["2001:db8::1", "2001:db8::2", "192.0.2.1"];
  const connects = { "2001:db8::1": HANGS, "192.0.2.1": { delayMs: 300 } };
  const wire = dialling(addresses, connects);
  const { outcome, ms, phases } = await wire.send();
  assertEquals([outcome, ms], ["delivered", 500]);
  assertEquals(wire.tried, ["2001:db8::1 at 0", "192.0.2.1 at 250", "2001:db8::2 at 500"]);
  assertEquals([phases!.lookup, phases!.connect], [0, 500]);
  await wire.world.advance(1_000);
  assertEquals(wire.world.sockets.open, 1);
});

Deno.test("an address that refuses makes room for the next at once, and the one that works is the first from then on", async () => {
  const wire = dialling(["192.0.2.1", "192.0.2.2"], { "192.0.2.1": REFUSED });
  await wire.send();
  await wire.world.advance(16_000);
  await wire.send();
  assertEquals(wire.tried, ["192.0.2.1 at 0", "192.0.2.2 at 0", "192.0.2.2 at 16000"]);
});

Deno.test("where none can be connected to, each is told with its reason, and nothing was sent", async () => {
  const wire = dialling(["192.0.2.1", "2001:db8::1"], {
    "192.0.2.1": REFUSED,
    "2001:db8::1": REFUSED,
  });
  const { outcome, reason, reach } = await wire.send({ url: new URL("https://a.test/") });
  assertEquals([outcome, reach], ["deferred", "unsent"]);
  assertEquals(
    reason,
    "connection refused by 192.0.2.1:443; connection refused by [2001:db8::1]:443",
  );
});

Deno.test("a host without an address is told, and nothing was sent", async () => {
  const wire = dialling([]);
  const { outcome, reason, reach } = await wire.send();
  assertEquals([outcome, reach], ["deferred", "unsent"]);
  assertEquals(reason, "the host a.test has no address: its name isn't known");
});

Deno.test("getting a connection has a time limit of its own, and says how far it came", async () => {
  const wire = dialling(["192.0.2.1"], { "192.0.2.1": HANGS });
  const { reason, reach, isTimeout, ms } = await wire.send();
  assertEquals([reason, reach, isTimeout, ms], [
    "no connection with 192.0.2.1:80 within 5 s",
    "unsent",
    undefined,
    5_000,
  ]);
  const options = { connectTimeoutMs: 60_000 };
  const patient = dialling(["192.0.2.1"], { "192.0.2.1": HANGS }, { options });
  const late = await patient.send();
  assertEquals([late.reason, late.reach, late.isTimeout, late.ms], [
    "no answer within 30 s: no connection with 192.0.2.1:80",
    "unsent",
    true,
    30_000,
  ]);
});

Deno.test("a look-up that never ends is told as one", async () => {
  const runtime: WireOptions["runtime"] = (runtime) => ({
    ...runtime,
    lookup: () => new Promise<never>(() => {}),
  });
  const wire = dialling([], {}, { runtime });
  const { reason, ms } = await wire.send();
  assertEquals([reason, ms], ["the host a.test wasn't looked up within 5 s", 5_000]);
});

Deno.test("addresses are looked up again after 30 s, and when none of them works", async () => {
  let lookups = 0;
  const runtime: WireOptions["runtime"] = (runtime) => ({
    ...runtime,
    lookup(host) {
      lookups++;
      return runtime.lookup!(host);
    },
  });
  const connects: Record<string, Connecting> = {};
  const wire = dialling(["192.0.2.1"], connects, { runtime });
  wire.world.network.script = () => ({ status: 204, closes: true });
  await Promise.all([wire.send(), wire.send(), wire.send()]);
  assertEquals(lookups, 1);
  await wire.world.advance(29_000);
  await wire.send();
  assertEquals(lookups, 1);
  await wire.world.advance(2_000);
  await wire.send();
  assertEquals(lookups, 2);
  connects["192.0.2.1"] = REFUSED;
  await wire.send();
  await wire.send();
  assertEquals(lookups, 3);
});

Deno.test("a name that changes is followed", async () => {
  const wire = dialling(["192.0.2.1"]);
  wire.world.network.script = () => ({ closes: true });
  await wire.send();
  wire.world.network.addresses.set("a.test", ["192.0.2.9"]);
  await wire.world.advance(31_000);
  await wire.send();
  assertEquals(wire.tried, ["192.0.2.1 at 0", "192.0.2.9 at 31000"]);
});

Deno.test("a process without a file left is crowded, and lets go of what is idle", async () => {
  const wire = dialling(["192.0.2.1"], { "b.test": { fails: "crowded" } });
  await wire.send();
  assertEquals(wire.world.sockets.open, 1);
  const { outcome, reach } = await wire.send({ url: new URL("http://b.test/") });
  assertEquals([outcome, reach, wire.world.sockets.open], ["crowded", undefined, 0]);
});

Deno.test("an address that this process may not reach is refused, when all are", async () => {
  const forbidden = Object.assign(new Error("Requires net access"), { name: "NotCapable" });
  assertEquals(errorCode(forbidden), "ENOTCAPABLE");
  const runtime: WireOptions["runtime"] = (runtime) => ({
    ...runtime,
    connect: (to) => to.host === "10.0.0.1" ? Promise.reject(forbidden) : runtime.connect!(to),
  });
  const outcome = async (...addresses: string[]) =>
    (await dialling(addresses, { "192.0.2.2": REFUSED }, { runtime }).send()).outcome;
  assertEquals(await outcome("10.0.0.1"), "refused");
  assertEquals(await outcome("10.0.0.1", "192.0.2.1"), "delivered");
  assertEquals(await outcome("10.0.0.1", "192.0.2.2"), "deferred");
});

Deno.test("what connects after it was called off is closed", async () => {
  const runtime: WireOptions["runtime"] = (runtime) => ({
    ...runtime,
    // one that can't be called off
    connect: ({ signal: _, ...to }) =>
      runtime.connect!({ ...to, signal: new AbortController().signal }),
  });
  const wire = dialling(["192.0.2.1"], { "192.0.2.1": { delayMs: 9_000 } }, { runtime });
  assertEquals((await wire.send()).outcome, "deferred");
  await wire.world.advance(5_000);
  assertEquals([wire.world.sockets.made, wire.world.sockets.open], [1, 0]);
});

Deno.test("64 requests at once look up once and make 64 connections, the next 64 none", async () => {
  const wire = new Wire(answering(NO_CONTENT));
  const all = () => Promise.all(Array.from({ length: 64 }, () => wire.send()));
  assert((await all()).every(({ outcome }) => outcome === "delivered"));
  await all();
  assertEquals(wire.world.sockets.made, 64);
});

Deno.test("only addresses that the rules let through are connected to, whatever else the name has", async () => {
  const addresses = ["10.0.0.1", "192.0.2.9", "169.254.169.254", "::ffff:10.0.0.2", "8.8.8.8"];
  const wire = dialling(addresses, {}, { options: { egress: ["public"] } });
  const { outcome } = await wire.send();
  assertEquals([outcome, wire.tried], ["delivered", ["8.8.8.8 at 0"]]);
});

Deno.test("where none may be connected to, the event is refused with the addresses, and nobody sees a byte", async () => {
  const wire = dialling(["10.0.0.1", "::1"], {}, { options: { egress: ["public"] } });
  const { outcome, reason, reach } = await wire.send();
  assertEquals([outcome, reach, wire.tried], ["refused", "unsent", []]);
  assertEquals(reason, "the egress rules don't let requests go to a.test at 10.0.0.1, ::1");
});

Deno.test("without rules it is only link-local addresses that nothing goes to", async () => {
  const wire = dialling(["169.254.169.254"]);
  const { outcome, reason } = await wire.send();
  assertEquals([outcome, wire.tried], ["refused", []]);
  assertEquals(reason, "the egress rules don't let requests go to a.test at 169.254.169.254");
});

Deno.test("a name that has another address by the time of the next connection is looked at anew", async () => {
  const wire = dialling(["8.8.8.8"], {}, { options: { egress: ["public"] } });
  assertEquals((await wire.send()).outcome, "delivered");
  wire.world.network.addresses.set("a.test", ["127.0.0.1"]);
  await wire.world.advance(31_000); // the connection and the look-up are too old by then
  const { outcome, reason } = await wire.send();
  assertEquals([outcome, wire.tried], ["refused", ["8.8.8.8 at 0"]]);
  assertEquals(reason, "the egress rules don't let requests go to a.test at 127.0.0.1");
});

Deno.test("rules that change count at once, also for connections that are there", async () => {
  const wire = dialling(["10.0.0.1"], {}, { options: { egress: ["private"] } });
  const outcomes: string[] = [];
  for (const egress of [["private"], ["public", "private"], ["public"]]) {
    wire.options.egress = egress;
    outcomes.push((await wire.send()).outcome);
  }
  assertEquals(outcomes, ["delivered", "delivered", "refused"]);
  assertEquals(wire.tried.length, 2, "the same rules keep their connection, others get another");
});
