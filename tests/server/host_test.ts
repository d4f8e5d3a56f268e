/** Whether a request was meant for us. */

import { assertEquals } from "@std/assert";
import { hostName, isOurs } from "../../lib/server/host.ts";

Deno.test("the address itself is ours, with its port, and localhost where it is a loopback one", () => {
  const cases: [address: string, port: number, host: string, isOurs: boolean][] = [
    ["127.0.0.1", 8080, "127.0.0.1:8080", true],
    ["127.0.0.1", 8080, "localhost:8080", true],
    ["127.0.0.1", 8080, "localhost.:8080", true],
    ["127.0.0.1", 8080, "127.0.0.1", false],
    ["127.0.0.1", 8080, "127.0.0.1:80", false],
    ["127.0.0.1", 8080, "127.0.0.2:8080", false],
    ["127.0.0.1", 8080, "[::1]:8080", false],
    ["127.0.0.1", 8080, "evil.example:8080", false],
    ["127.0.0.1", 8080, "localhost.evil.example:8080", false],
    ["127.0.0.1", 8080, "127.0.0.1.evil.example:8080", false],
    ["127.0.0.1", 8080, "0x7f.1:8080", false],
    ["127.0.0.1", 80, "127.0.0.1", true],
    ["127.0.0.1", 80, "localhost:80", true],
    ["::1", 8080, "[::1]:8080", true],
    ["::1", 8080, "[0:0:0:0:0:0:0:1]:8080", true],
    ["::1", 8080, "localhost:8080", true],
    ["::ffff:127.0.0.1", 8080, "127.0.0.1:8080", true],
    ["::ffff:127.0.0.1", 8080, "localhost:8080", true],
    ["10.0.0.5", 8080, "10.0.0.5:8080", true],
    ["10.0.0.5", 8080, "localhost:8080", false],
    ["10.0.0.5", 8080, "0.0.0.0:8080", false],
    ["10.0.0.5", 8080, ":8080", false],
  ];
  for (const [address, port, host, expected] of cases) {
    assertEquals([address, host, isOurs(host, { address, port }, [])], [address, host, expected]);
  }
});

Deno.test("a name that is known is ours, with any port", () => {
  const at = { address: "10.0.0.5", port: 8080 };
  const names = ["events.example", "192.0.2.7"];
  for (const host of ["events.example", "events.example:443", "events.example.:1", "192.0.2.7"]) {
    assertEquals([host, isOurs(host, at, names)], [host, true]);
  }
  for (const host of ["example", "a.events.example", "events.example.evil", "192.0.2.8"]) {
    assertEquals([host, isOurs(host, at, names)], [host, false]);
  }
});

Deno.test("names are compared in one spelling", () => {
  const cases: Record<string, string | undefined> = {
    "Events.Example": "events.example",
    "events.example.": "events.example",
    "a_b.example": "a_b.example",
    "[2001:DB8:0::1]": "2001:db8::1",
    "127.0.0.1": "127.0.0.1",
    "events.example:80": undefined,
    "http://events.example": undefined,
    "*.example": undefined,
    "a..b": undefined,
    "-a": undefined,
    "2001:db8::1": undefined,
    "": undefined,
    ".": undefined,
  };
  for (const [text, expected] of Object.entries(cases)) {
    assertEquals([text, hostName(text)], [text, expected]);
  }
});
