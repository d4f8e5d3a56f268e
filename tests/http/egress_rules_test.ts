/** The operator's rules about addresses, against the tables of what others got wrong. */

import { assertEquals, assertThrows } from "@std/assert";
import { EgressRules, isRule } from "../../lib/http/egress_rules.ts";
import { embeddedIn, readCidr, readIp } from "../../lib/http/ip.ts";

/** Which of some addresses rules let through. */
function through(rules: readonly string[] | undefined, addresses: readonly string[]): string[] {
  const policy = new EgressRules(rules);
  return addresses.filter((address) => policy.allows(address, address));
}

const PUBLIC = [
  "8.8.8.8",
  "1.1.1.1",
  "100.63.255.255",
  "172.32.0.1",
  "192.169.0.1",
  "2606:4700::1",
];
const PRIVATE = [
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "fd12::1",
];
const LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1"];
const METADATA = [
  "169.254.169.254",
  "169.254.170.2",
  "fe80::1",
  "fd00:ec2::254",
  "100.100.100.200",
];
const SPECIAL = [
  ...["0.0.0.0", "0.1.2.3", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9"],
  ...["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1"],
  ...["::", "100::1", "2001:db8::1", "ff02::1", "fec0::1", "3fff::1", "5f00::1"],
];
/** `10.0.0.1` and the like in the forms in which IPv6 has them. */
const DISGUISED = [
  ...["::ffff:10.0.0.1", "::ffff:a00:1", "::10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1"],
  ...["64:ff9b:1::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "2001:0:808:808::f5ff:fffe"],
];

Deno.test("each rule lets through what it names and nothing else", () => {
  const everything = [...PUBLIC, ...PRIVATE, ...LOOPBACK, ...METADATA, ...SPECIAL, ...DISGUISED];
  assertEquals(through(["public"], everything), PUBLIC);
  assertEquals(through(["private"], everything), PRIVATE);
  assertEquals(through(["loopback"], everything), LOOPBACK);
  assertEquals(through([], everything), []);
});

Deno.test("without rules everything goes but link-local addresses, in whatever form", () => {
  assertEquals(through(undefined, METADATA), []);
  const disguised = ["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe"];
  assertEquals(through(undefined, [...disguised, "2002:a9fe:a9fe::1", "::169.254.169.254"]), []);
  const usual = [...PUBLIC, ...PRIVATE, ...LOOPBACK];
  assertEquals(through(undefined, usual), usual);
});

Deno.test("an address with another inside must be let through in both forms", () => {
  const both = ["10.0.0.0/8", "::ffff:0:0/96"];
  assertEquals(through(both, ["::ffff:10.0.0.1", "::ffff:8.8.8.8", "10.0.0.1"]), [
    "::ffff:10.0.0.1",
    "10.0.0.1",
  ]);
  assertEquals(through(["public"], ["64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1"]), [
    "64:ff9b::8.8.8.8",
  ]);
});

Deno.test("a rule of addresses lets through what nothing else does", () => {
  assertEquals(through(["169.254.1.0/24"], ["169.254.1.7", "169.254.2.7"]), ["169.254.1.7"]);
  assertEquals(through(["192.0.2.7"], ["192.0.2.7", "192.0.2.8"]), ["192.0.2.7"]);
  assertEquals(through(["fd00::/8"], ["fd12::1", "fc00::1", "10.0.0.1"]), ["fd12::1"]);
  assertEquals(through(["0.0.0.0/0"], ["8.8.8.8", "169.254.169.254", "::1"]), [
    "8.8.8.8",
    "169.254.169.254",
  ]);
});

Deno.test("a host is let through whatever address it has, but not a link-local one", () => {
  const rules = new EgressRules(["Hooks.example.com", "*.internal"]);
  const allowed = [["hooks.example.com", "10.0.0.1"], ["a.b.internal", "::1"]] as const;
  const refused = [
    ["hooks.example.com", "169.254.169.254"],
    ["internal", "10.0.0.1"],
    ["example.com", "8.8.8.8"],
    ["evil-internal", "8.8.8.8"],
    ["8.8.8.8", "8.8.8.8"],
    ["hooks.example.com", "not an address"],
  ] as const;
  assertEquals(allowed.map(([host, address]) => rules.allows(host, address)), [true, true]);
  assertEquals(refused.filter(([host, address]) => rules.allows(host, address)), []);
});

Deno.test("what is no rule is refused", () => {
  const wrong = [
    "",
    "10.0.0",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/08",
    "1.2.3.4/a",
    "http://a",
    "a b",
  ];
  assertEquals(wrong.filter(isRule), []);
  assertThrows(() => new EgressRules(["10.0.0"]), RangeError, 'current value is "10.0.0"');
});

Deno.test("addresses are read as resolvers write them, and nothing else is one", () => {
  assertEquals(readIp("::ffff:1.2.3.4"), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]);
  assertEquals(readIp("fe80::1%eth0"), readIp("fe80::1"));
  assertEquals(readIp("1:2:3:4:5:6:7:8")?.slice(14), [0, 8]);
  const none = [
    ...["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "0x7f.1", "2130706433", "::1::", ":::"],
    ...[
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::12345",
      "1:2:3:4:5:6:7::8:9",
      "[::1]",
      "1.2.3.4::",
    ],
    ...["::1.2.3", "g::"],
  ];
  assertEquals(none.filter((text) => readIp(text)), []);
  assertEquals([readCidr("fe80::1%eth0/64"), readCidr("1.2.3.4/8/8")], [undefined, undefined]);
  assertEquals(embeddedIn(readIp("::1")!), []);
});
